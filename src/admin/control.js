/* SPDX-License-Identifier: MIT */
/* What a reader with access full can change: hosts, groups, the file. What cuts or loses something is asked first. */
'use strict';
(() => {
  const {at, isFull, make, button, serviceOf, groupOf, hostOf, call, ask} = parts;
  if (!isFull)
    return;

  /* ---- hosts ---- */

  const fieldsOf = row => ({service: serviceOf(row), group: groupOf(row), name: hostOf(row)});
  const openOf = row => row.cells[6].firstElementChild.textContent;
  const isCutByChecks = row => 'cuts' in row.closest('.scroll').previousElementSibling.dataset;

  async function drain(host) {
    const fields = await ask('Drain ' + host.name, 'It gets no new connections. With a time, its open ones are closed, ' +
      'spread over that time; without, they end by themselves.',
    [{name: 'over', label: 'Close open ones over (30s, 5m)', isOptional: true}], 'Drain');
    if (fields)
      await call('hostDrain', {...host, ...fields});
  }
  async function weigh(host, row) {
    const now = row.cells[5].textContent.trim();
    const fields = await ask('Weight of ' + host.name, '0 to 256; 0 is no new connections.',
      [{name: 'weight', label: 'Weight', type: 'number', value: now}], 'Set');
    if (fields)
      await call('setWeight', {...host, ...fields});
  }
  async function remove(host) {
    const name = host.name.split('@')[0];    /* all addresses of a name go */
    if (await ask('Delete ' + name + '?', 'It leaves group ' + host.group + '; its open connections go on until they ' +
        'end. The file keeps it until you save.', [], 'Delete', true))
      await call('delHost', {...host, name});
  }
  async function takeDown(host, row) {
    const until = isCutByChecks(row) ? ', or until checks find it down (on_down = close).' : '.';
    if (await ask('Take ' + host.name + ' out?', 'It gets no new connections; its ' + openOf(row) +
        ' open ones go on until they end' + until, [], 'Take out'))
      await call('hostAdminDown', host);
  }

  const ACTS = [
    ['Up', host => call('hostAdminUp', host)], ['Drain\u2026', drain], ['Down\u2026', takeDown],
    ['Weight\u2026', weigh], ['Retry', host => call('retryHost', host)], ['Delete\u2026', remove],
  ];
  /*
   * The buttons lie in what is opened, and are made then: thousands of hosts would have many thousands. One in the
   * row, where it is seen, opens that.
   */
  function addActions(row, past) {
    if (past.querySelector('.actions'))
      return;
    const name = hostOf(row);
    past.append(make('div', {className: 'actions'}, ...ACTS.map(([text, does]) =>
      button(text, text + ' ' + name, () => does(fieldsOf(row), row)))));
  }
  function addHostButtons(row) {
    const details = row.querySelector('details'), past = details.querySelector('.past');
    details.addEventListener('toggle', () => addActions(row, past));
    if (details.open)
      addActions(row, past);
    row.cells[1].append(button('Change', 'Change ' + hostOf(row), () => {
      details.open = !details.open;
      if (details.open) {
        addActions(row, past);
        past.querySelector('.actions button').focus();
      }
    }, 'change'));
  }

  /* ---- groups ---- */

  async function addHost(service, group) {
    const fields = await ask('Add a host to ' + group, '', [
      {name: 'name', label: 'Name'}, {name: 'address', label: 'Address (10.0.0.1:80, name:80)'},
      {name: 'weight', label: 'Weight', type: 'number', value: '1'}], 'Add');
    if (fields)
      await call('addHost', {service, group, ...fields});
  }
  async function enable(service, group) {
    if (await ask('Put ' + group + ' in force?', 'New connections of ' + service + ' go there; open ones stay where they are.',
      [], 'Put in force'))
      await call('enableGroup', {service, group});
  }
  function addGroupButtons(head) {
    const service = serviceOf(head), group = groupOf(head);
    head.append(make('span', {className: 'actions'},
      button('Put in force', 'Put group ' + group + ' in force', () => enable(service, group), 'enable'),
      button('Add host\u2026', 'Add a host to ' + group, () => addHost(service, group))));
  }
  /* Where there is one group, or it is in force already, there is nothing to put. */
  function showEnable() {
    for (const head of document.querySelectorAll('.group')) {
      const role = head.querySelector('.role');
      head.querySelector('.enable').hidden = role.hidden || ['enabled', 'routed'].includes(role.textContent);
    }
  }

  /* ---- the file ---- */

  async function save() {
    if (await ask('Save what runs?', 'The file gets what was changed and set since; the old one is kept beside it.', [], 'Save'))
      await call('saveConfig', {});
  }
  async function reload() {
    if (await ask('Read the file again?', 'Hosts, groups, services and users that were changed here and not saved are ' +
        'dropped; Diff shows them. No connection is lost.', [], 'Reload', true))
      await call('reload', {});
  }

  function addButtons() {
    document.querySelectorAll('.hosts tbody tr').forEach(addHostButtons);
    document.querySelectorAll('.group').forEach(addGroupButtons);
    showEnable();
  }
  at('bar').append(button('Reload\u2026', 'Reload the configuration', reload),
    button('Save\u2026', 'Save the configuration', save, 'does'));
  addButtons();
  document.addEventListener('rendered', addButtons);
  document.addEventListener('shown', showEnable);
})();

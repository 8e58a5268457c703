'use strict';
/*
 * What the page's reader can do: find and sort hosts; look at open connections and at the
 * configuration; with access full, change things. Everything from the daemon goes through
 * textContent alone. Calls carry the token of the page, which other sites do not know.
 */
(() => {
  const token = document.querySelector('meta[name="gaidaros-token"]')?.content ?? '';
  const isFull = token !== '';
  const here = location.origin + location.pathname.replace(/[^/]*$/, '');    /* as in page.js */
  const at = id => document.getElementById(id);

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const button = (text, label, onclick, className = '') => {
    const element = make('button', {type: 'button', className, onclick}, text);
    if (label !== text)
      element.setAttribute('aria-label', label);
    return element;
  };
  const keep = (key, value) => {
    try {
      sessionStorage.setItem(key, value);
    } catch { /* without storage it is forgotten at the next rendering */ }
  };
  const kept = key => {
    try {
      return sessionStorage.getItem(key) ?? '';
    } catch {
      return '';
    }
  };

  /* ---- what was said ---- */

  const said = make('p', {id: 'said', className: 'said', hidden: true});
  said.setAttribute('role', 'status');
  document.querySelector('main').prepend(said);
  function say(text, isBad) {
    said.textContent = text;
    said.classList.toggle('bad', isBad);
    said.hidden = false;
    keep('said', '');
  }

  async function call(name, fields) {
    try {
      const response = await fetch(here + 'api/' + name, {
        method: 'POST',
        headers: {'Content-Type': 'application/json', 'X-Gaidaros-Token': token},
        body: JSON.stringify(fields),
        signal: AbortSignal.timeout(30000),
      });
      const answer = await response.json();
      say(answer.ok ? answer.message || 'done' : name + ': ' + answer.error, !answer.ok);
      document.dispatchEvent(new Event('changed'));
      return answer.ok;
    } catch (error) {
      say(name + ': no answer from the daemon (' + error.message + ')', true);
      return false;
    }
  }

  /* ---- asking ---- */

  /*
   * A dialog with fields {name, label, value, type, choices, isOptional}. Gives their values, or null when it
   * was closed.
   */
  function ask(title, text, fields, does) {
    return new Promise(resolve => {
      const inputs = fields.map(field => {
        const input = field.choices ?
          make('select', {name: field.name}, ...field.choices.map(choice =>
            make('option', {value: choice, selected: choice === field.value}, choice))) :
          make('input', {name: field.name, type: field.type ?? 'text', value: field.value ?? '',
            required: !field.isOptional, autocomplete: 'off'});
        return {input, row: make('label', {}, make('span', {}, field.label), input)};
      });
      const form = make('form', {method: 'dialog'}, make('h2', {}, title),
        ...(text ? [make('p', {}, text)] : []), ...inputs.map(one => one.row),
        make('div', {className: 'buttons'},
          button('Cancel', 'Cancel', () => dialog.close()),
          make('button', {type: 'submit', className: 'does', value: 'does'}, does)));
      const dialog = make('dialog', {}, form);
      dialog.setAttribute('aria-label', title);
      dialog.addEventListener('close', () => {
        const isDone = dialog.returnValue === 'does';
        dialog.remove();
        resolve(isDone ? Object.fromEntries(inputs.map(({input}) =>
          [input.name, input.value.trim()]).filter(([, value]) => value !== '')) : null);
      });
      document.body.append(dialog);
      dialog.showModal();
      (inputs[0]?.input ?? form.querySelector('.does')).focus();
    });
  }

  /* ---- where a row stands ---- */

  const serviceOf = element => element.closest('.card').querySelector('h2').textContent;
  const groupOf = head => head.querySelector('h3 b').textContent;
  const headOf = row => row.closest('.scroll').previousElementSibling;
  const hostOf = row => ({
    service: serviceOf(row), group: groupOf(headOf(row)),
    name: row.cells[0].firstElementChild.textContent,
  });

  /* ---- changing hosts, groups, services ---- */

  async function drain(host) {
    const fields = await ask('Drain ' + host.name, 'It gets no new connections.',
      [{name: 'over', label: 'Close open ones over (30s, 5m; empty: let them end)', isOptional: true}], 'Drain');
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
    const name = host.name.split('@')[0];
    if (await ask('Delete ' + name + '?', 'It leaves group ' + host.group + '; its open connections go on until they ' +
        'end. The file keeps it until you save.', [], 'Delete'))
      await call('delHost', {...host, name});
  }
  async function takeDown(host, row) {
    const open = row.cells[6].firstElementChild.textContent;
    if (await ask('Take ' + host.name + ' out?', 'It gets no new connections; its ' + open + ' open ones go on until they end.',
      [], 'Take out'))
      await call('hostAdminDown', host);
  }

  function addHostButtons(row) {
    const past = row.querySelector('.past');
    if (!past || past.querySelector('.actions'))
      return;
    const act = (text, does) => {
      const name = row.cells[0].firstElementChild.textContent;
      return button(text, text + ' ' + name, () => does(hostOf(row), row));
    };
    past.append(make('div', {className: 'actions'},
      act('Up', host => call('hostAdminUp', host)),
      act('Drain\u2026', drain),
      act('Down\u2026', takeDown),
      act('Weight\u2026', weigh),
      act('Retry', host => call('retryHost', host)),
      act('Delete\u2026', remove)));
  }

  async function addHost(service, group) {
    const fields = await ask('Add a host to ' + group, '', [
      {name: 'name', label: 'Name'}, {name: 'address', label: 'Address (10.0.0.1:80, name:80)'},
      {name: 'weight', label: 'Weight', type: 'number', value: '1'}], 'Add');
    if (fields)
      await call('addHost', {service, group, ...fields});
  }

  function addGroupButtons(head) {
    const service = serviceOf(head), group = groupOf(head);
    const enable = button('Put in force', 'Put group ' + group + ' in force', async () => {
      if (await ask('Put ' + group + ' in force?', 'New connections of ' + service + ' go there; open ones stay where they are.',
        [], 'Put in force'))
        await call('enableGroup', {service, group});
    });
    enable.hidden = head.querySelector('.role').hidden;
    head.append(make('span', {className: 'actions'}, enable,
      button('Add host\u2026', 'Add a host to ' + group, () => addHost(service, group))));
  }

  async function save() {
    if (await ask('Save what runs?', 'The file gets what was changed and set since; the old one is kept beside it.', [], 'Save'))
      await call('saveConfig', {});
  }

  /* ---- finding hosts ---- */

  const isOut = row => row.classList.contains('out') || row.classList.contains('asked');
  function filterRows() {
    const words = at('filter').value.toLowerCase().split(/\s+/).filter(word => word !== '');
    const onlyOut = at('only-out').checked;
    let shown = 0, all = 0;
    for (const row of document.querySelectorAll('.hosts tbody tr')) {
      const text = (row.cells[0].textContent + ' ' + row.cells[1].textContent + ' ' +
        row.querySelector('summary').textContent).toLowerCase();
      row.hidden = (onlyOut && !isOut(row)) || !words.every(word => text.includes(word));
      shown += row.hidden ? 0 : 1;
      all++;
    }
    const isFiltered = words.length > 0 || onlyOut;
    for (const table of document.querySelectorAll('.hosts')) {
      const isEmpty = isFiltered && !table.querySelector('tbody tr:not([hidden])');
      table.closest('.scroll').hidden = isEmpty;
      table.closest('.scroll').previousElementSibling.hidden = isEmpty;
    }
    at('found').textContent = isFiltered ? shown + ' of ' + all + ' hosts' : '';
    keep('filter', at('filter').value);
    keep('only-out', onlyOut ? 'yes' : '');
  }

  function addFinder() {
    const bar = make('div', {className: 'finder'},
      make('label', {}, make('span', {}, 'Find hosts'),
        make('input', {id: 'filter', type: 'search', value: kept('filter'), oninput: filterRows,
          placeholder: 'name, address, state, reason'})),
      make('label', {}, make('input', {id: 'only-out', type: 'checkbox', checked: kept('only-out') !== '',
        onchange: filterRows}), make('span', {}, 'only those not up')),
      make('output', {id: 'found'}));
    at('s0').before(bar);
  }

  /* A number with its unit, for sorting; text for what is none. */
  const UNITS = {B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40, s: 1, min: 60, h: 3600, d: 86400};
  function sortKey(cell) {
    const text = (cell.firstElementChild ?? cell).textContent.replace(/\u202f/g, '').trim();
    const found = /^([\d.]+)(?: ([A-Za-z]+))?/.exec(text);
    return cell.classList.contains('num') && found ? Number(found[1]) * (UNITS[found[2]] ?? 1) : text;
  }
  function sortBy(table, column) {
    const head = table.tHead.rows[0].cells[column];
    const isDown = head.getAttribute('aria-sort') === 'ascending';
    for (const cell of table.tHead.rows[0].cells)
      cell.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', isDown ? 'descending' : 'ascending');
    const rows = [...table.tBodies[0].rows].map(row => ({row, key: sortKey(row.cells[column])}));
    rows.sort((a, b) => {
      const order = typeof a.key === 'number' && typeof b.key === 'number' ? a.key - b.key :
        String(a.key).localeCompare(String(b.key), undefined, {numeric: true});
      return isDown ? -order : order;
    });
    table.tBodies[0].append(...rows.map(one => one.row));
  }
  function addSorting(table) {
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const text = cell.textContent;
      cell.scope = 'col';
      cell.replaceChildren(button(text, 'Sort by ' + text, () => sortBy(table, column), 'sort'));
    });
  }

  /* ---- views ---- */

  const view = make('section', {id: 'view', className: 'card view', hidden: true});
  function open(title, ...children) {
    view.replaceChildren(make('div', {className: 'head'}, make('h2', {tabIndex: -1}, title),
      button('Close', 'Close ' + title, () => {
        view.hidden = true;
      })), ...children);
    view.hidden = false;
    view.querySelector('h2').focus();
  }

  async function fetchText(path) {
    const response = await fetch(here + path, {signal: AbortSignal.timeout(20000)});
    const text = await response.text();
    if (response.ok)
      return text;
    let why = text.trim();
    try {
      why = JSON.parse(text).error;
    } catch { /* it is no JSON: as it stands */ }
    throw new Error(why);
  }

  const TEXTS = {
    'config': ['Configuration as the file said', 'config'],
    'running': ['Configuration as it is now', 'config/running'],
    'diff': ['What a restart would lose', 'config/diff'],
  };
  async function openText(key) {
    const [title, path] = TEXTS[key];
    try {
      const text = await fetchText(path);
      const pre = make('pre', {tabIndex: 0});
      for (const line of (text || 'nothing: the file says what runs\n').split('\n')) {
        const kind = key === 'diff' ? {'+': 'plus', '-': 'minus', '@': 'place'}[line[0]] ?? '' : '';
        pre.append(make('span', {className: kind}, line + '\n'));
      }
      open(title, pre);
    } catch (error) {
      say(title + ': ' + error.message, true);
    }
  }

  async function kill(row, id) {
    if (await ask('End connection ' + id + '?', 'Both ends get a reset.', [], 'End it') &&
        await call('killConnection', {id: String(id)}))
      row.remove();
  }
  async function explain(id, cell) {
    try {
      const why = JSON.parse(await fetchText('connections/' + id));
      const list = make('dl', {className: 'why'});
      const add = (key, value) => list.append(make('dt', {}, key), make('dd', {}, String(value)));
      for (const [key, value] of Object.entries(why)) {
        if (key === 'timers')
          value.forEach(timer => add(timer.name, timer.left_s.toFixed(1) + ' s of ' + timer.limit_s + ' s left'));
        else if (value !== null && typeof value === 'object')
          add(key, Object.entries(value).map(([name, figure]) => name + ' ' + figure).join(', '));
        else if (value !== null && value !== '')
          add(key, value);
      }
      cell.replaceChildren(list);
    } catch (error) {
      cell.textContent = error.message;
    }
  }

  const COLUMNS = ['id', 'client', 'service', 'host', 'phase', 'age_s', 'bytes_in', 'bytes_out'];
  async function openConnections(filters = {}) {
    const query = new URLSearchParams({limit: '500', ...filters}).toString();
    try {
      const rows = JSON.parse(await fetchText('connections?' + query)).connections;
      const body = make('tbody', {});
      for (const one of rows) {
        const row = make('tr', {}, ...COLUMNS.map(key => make('td', {}, String(one[key]))));
        const told = make('td', {className: 'told'});
        const acts = make('td', {className: 'actions'},
          button('Why', 'Tell why of connection ' + one.id, () => explain(one.id, told)));
        if (isFull)
          acts.append(button('End\u2026', 'End connection ' + one.id, () => kill(row, one.id)));
        row.append(acts, told);
        body.append(row);
      }
      const form = make('form', {className: 'finder', onsubmit: event => {
        event.preventDefault();
        openConnections(Object.fromEntries([...new FormData(event.target)].filter(([, value]) => value !== '')));
      }}, ...['service', 'host', 'source', 'age', 'bytes'].map(name =>
        make('label', {}, make('span', {}, name), make('input', {name, size: 9, value: filters[name] ?? ''}))),
      make('button', {type: 'submit'}, 'Show'));
      open(rows.length + (rows.length === 500 ? ' and more' : '') + ' open connections', form,
        make('div', {className: 'scroll'}, make('table', {className: 'open'},
          make('thead', {}, make('tr', {}, ...[...COLUMNS, '', ''].map(key => make('th', {scope: 'col'}, key)))), body)));
    } catch (error) {
      say('connections: ' + error.message, true);
    }
  }

  function addBar() {
    const bar = make('nav', {className: 'bar-of-actions'},
      button('Connections', 'Show open connections', () => openConnections()));
    bar.setAttribute('aria-label', 'Views and actions');
    for (const [key, text] of [['config', 'Config'], ['running', 'Running'], ['diff', 'Diff']])
      bar.append(button(text, TEXTS[key][0], () => openText(key)));
    if (isFull)
      bar.append(button('Reload', 'Reload the configuration', () => call('reload', {})),
        button('Save\u2026', 'Save the configuration', save, 'does'));
    document.querySelector('main').prepend(bar);
    bar.after(said, view);
  }

  addBar();
  addFinder();
  document.querySelectorAll('.hosts').forEach(addSorting);
  if (isFull) {
    document.querySelectorAll('.hosts tbody tr').forEach(addHostButtons);
    document.querySelectorAll('.group').forEach(addGroupButtons);
    document.addEventListener('shown', () => document.querySelectorAll('.group').forEach(head => {
      const enable = head.querySelector('.actions button');
      enable.hidden = head.querySelector('.role').hidden || head.querySelector('.role').textContent === 'enabled';
    }));
  }
  filterRows();
  document.addEventListener('shown', filterRows);
})();

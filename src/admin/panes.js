/* SPDX-License-Identifier: MIT */
/* Views that open above the hosts: open connections, one of them explained, the configuration. */
'use strict';
(() => {
  const {isFull, make, button, say, call, fetchText, ask} = parts;
  const {bytes, duration, count} = human;
  const MOST = 500;    /* connections listed */

  const pane = make('section', {id: 'view', className: 'card view', hidden: true});
  let opener = null;    /* gets the focus back */
  function open(title, ...children) {
    if (pane.hidden)
      opener = document.activeElement;
    const close = button('Close', 'Close ' + title, () => {
      pane.hidden = true;
      opener?.focus();
    });
    pane.replaceChildren(make('div', {className: 'head'}, make('h2', {tabIndex: -1}, title), close), ...children);
    pane.setAttribute('aria-label', title);
    pane.hidden = false;
    pane.querySelector('h2').focus();
  }

  /* ---- the configuration ---- */

  const TEXTS = {
    'config': ['Configuration as the file said', 'config'],
    'running': ['Configuration as it is now', 'config/running'],
    'diff': ['What a restart would lose', 'config/diff'],
  };
  const KINDS = {'+': 'plus', '-': 'minus', '@': 'place'};
  async function openText(key) {
    const [title, path] = TEXTS[key];
    try {
      const text = await fetchText(path);
      const pre = make('pre', {tabIndex: 0});
      pre.setAttribute('aria-label', title);
      for (const line of (text || 'nothing: the file says what runs').trimEnd().split('\n'))
        pre.append(make('span', {className: key === 'diff' ? KINDS[line[0]] ?? '' : ''}, line + '\n'));
      open(title, pre);
    } catch (error) {
      say(title + ': ' + error.message, true);
    }
  }

  /* ---- connections ---- */

  const ROW_HAS = ['id', 'client', 'service', 'host', 'phase', 'age_s', 'bytes_in', 'bytes_out'];

  async function kill(row, id) {
    if (await ask('End connection ' + id + '?', 'Both ends get a reset.', [], 'End it', true) &&
        await call('killConnection', {id: String(id)})) {
      row.nextElementSibling.remove();
      row.remove();
    }
  }

  /* "rtt_ms": 0.05 as "rtt" and "0.05 ms". */
  function worded(key, value) {
    const [, name, unit] = /^(.*?)(?:_(ms|s))?$/.exec(key);
    const text = key.startsWith('bytes_') ? bytes(value) : String(value) + (unit ? ' ' + unit : '');
    return [name.replaceAll('_', ' '), text];
  }
  /* What its row does not tell, a line each: timers, and what the kernel knows of both ends. */
  function listOf(why) {
    const list = make('dl', {className: 'why'});
    const add = (name, text) => list.append(make('dt', {}, name), make('dd', {}, text));
    for (const [key, value] of Object.entries(why)) {
      if (ROW_HAS.includes(key) || value === null || value === '')
        continue;
      if (key === 'timers')
        value.forEach(timer => add(timer.name, timer.left_s.toFixed(1) + ' s of ' + timer.limit_s + ' s left'));
      else if (typeof value === 'object')
        add(key.replaceAll('_', ' '), Object.entries(value).map(one => worded(...one).join(' ')).join(', '));
      else
        add(...worded(key, value));
    }
    return list;
  }
  /* Below its row; a second click closes it. */
  async function explain(id, row, press) {
    const below = row.nextElementSibling, isOpen = !below.hidden;
    below.hidden = isOpen;
    press.setAttribute('aria-expanded', String(!isOpen));
    if (isOpen)
      return;
    const cell = below.firstElementChild;
    try {
      cell.replaceChildren(listOf(JSON.parse(await fetchText('connections/' + id))));
    } catch (error) {
      cell.textContent = error.message;
    }
  }

  const COLUMNS = [
    ['Id', one => one.id], ['Client', one => one.client], ['Service', one => one.service],
    ['Host', one => one.host || human.DASH], ['Phase', one => one.phase],
    ['Age', one => duration(one.age_s), 'num'], ['From client', one => bytes(one.bytes_in), 'num'],
    ['To client', one => bytes(one.bytes_out), 'num'],
  ];
  function rowsOf(one) {
    const row = make('tr', {}, ...COLUMNS.map(([head, text, className]) => {
      const cell = make('td', {className: className ?? ''}, String(text(one)));
      cell.dataset.label = head;
      return cell;
    }));
    const why = button('Why', 'Tell why of connection ' + one.id, () => explain(one.id, row, why));
    why.setAttribute('aria-expanded', 'false');
    const acts = make('td', {className: 'acts'}, why);
    if (isFull)
      acts.append(button('End\u2026', 'End connection ' + one.id, () => kill(row, one.id)));
    row.append(acts);
    return [row, make('tr', {className: 'told', hidden: true}, make('td', {colSpan: COLUMNS.length + 1}))];
  }

  const FILTERS = [['service', 'name'], ['host', 'name'], ['source', '10.0.0.0/8'], ['age', '5m'], ['bytes', '1m']];
  const formOf = filters => make('form', {className: 'finder', onsubmit: event => {
    event.preventDefault();
    openConnections(Object.fromEntries([...new FormData(event.target)].filter(([, value]) => value !== '')));
  }}, ...FILTERS.map(([name, placeholder]) =>
    make('label', {}, make('span', {}, name), make('input', {name, size: 9, placeholder, value: filters[name] ?? ''}))),
  make('button', {type: 'submit'}, 'Show'));

  async function openConnections(filters = {}) {
    const query = new URLSearchParams({limit: String(MOST), ...filters}).toString();
    try {
      const all = JSON.parse(await fetchText('connections?' + query)).connections;
      const heads = [...COLUMNS.map(([head,, className]) => make('th', {scope: 'col', className: className ?? ''}, head)),
        make('th', {scope: 'col'}, 'Actions')];
      const table = make('table', {className: 'open'}, make('thead', {}, make('tr', {}, ...heads)),
        make('tbody', {}, ...all.flatMap(rowsOf)));
      table.setAttribute('aria-label', 'Open connections');
      open(count(all.length) + (all.length === MOST ? ' and more' : '') + ' open connections', formOf(filters),
        make('div', {className: 'scroll'}, table));
    } catch (error) {
      say('connections: ' + error.message, true);
    }
  }

  /* ---- the bar ---- */

  const bar = make('nav', {id: 'bar', className: 'bar-of-actions'},
    button('Connections', 'Show open connections', () => openConnections()));
  bar.setAttribute('aria-label', 'Views and actions');
  for (const [key, text] of [['config', 'Config'], ['running', 'Running'], ['diff', 'Diff']])
    bar.append(button(text, TEXTS[key][0], () => openText(key)));
  document.querySelector('main').prepend(bar);
  bar.after(pane);
})();

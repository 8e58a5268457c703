'use strict';
/*
 * Keeps the page fresh: fetches running.json and rewrites, in place, what the server has
 * rendered. Names and reasons go through textContent alone. What cannot be updated in place
 * (another configuration, another set of workers) is rendered anew by the server.
 */
(() => {
  const root = document.documentElement;
  const every = Math.max(Number(root.dataset.refresh), 500);
  const title = root.dataset.title;
  const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  const LISTED = 20;    /* hosts named in the list of those not up */
  const HISTORY = 60;   /* points of a curve */
  let before = null;    /* the answer before, and when it came */
  let lastGood = null;

  /* Without a name and a password, which the page's address may hold: no fetch takes that. */
  const here = location.origin + location.pathname.replace(/[^/]*$/, '');
  const at = id => document.getElementById(id);
  const set = (element, text) => {
    if (element.textContent !== String(text))
      element.textContent = text;
  };
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    return element;
  };
  const count = n => String(n).replace(/\B(?=(\d{3})+$)/g, '\u202f');
  const bytes = n => {
    let unit = 0;
    while (n >= 999.5 && unit + 1 < UNITS.length) {
      n /= 1024;
      unit++;
    }
    return (unit > 0 && n < 9.95 ? n.toFixed(1) : n.toFixed(0)) + ' ' + UNITS[unit];
  };
  const duration = s => {
    const minutes = Math.floor(s / 60), hours = Math.floor(minutes / 60);
    const two = (first, word, rest, next) =>
      first + ' ' + word + (rest > 0 ? ' ' + rest + ' ' + next : '');
    if (hours >= 24)
      return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
    if (hours > 0)
      return two(hours, 'h', minutes % 60, 'min');
    return minutes > 0 ? minutes + ' min' : Math.floor(s) + ' s';
  };
  const perSecond = n => n > 0 && n < 9.95 ? n.toFixed(1) : count(Math.round(n));
  const words = state => state.replace('_', ' ');
  const badge = (element, state) => {
    element.className = 'badge ' + state;
    set(element, words(state));
  };
  const bar = (svg, share) => {
    const width = Math.max(0, Math.min(100, share * 100)).toFixed(1);
    svg.firstElementChild.setAttribute('width', width);
    svg.classList.toggle('full', share >= 1);
  };

  /* What happened a second since the answer before; null when there was none. */
  const rate = (now, then, seconds) =>
    then === undefined || seconds <= 0 || now < then ? null : (now - then) / seconds;
  const shown = value => value === null ? '\u2013' : perSecond(value);

  const age = (since, now) => since === '' ? null :
    Math.max(0, (Date.parse(now) - Date.parse(since)) / 1000);

  const FAULTS = ['down', 'ejected', 'unresolved'];
  const isFault = host => FAULTS.includes(host.state);
  const moment = time => time.replace('T', ' ');

  /* As the server words it. */
  const why = host => {
    if (host.state === 'admin_down')
      return 'taken out by an administrator';
    if (host.state === 'draining')
      return host.connections === 0 ? 'drained by an administrator' :
        'being drained by an administrator' + (host.drain_left_s === null ? '' :
        ', open ones are closed within ' + duration(host.drain_left_s));
    return host.reason || 'no fault so far';
  };
  const checks = host => host.checks_total === 0 ? '' : ', ' + count(host.checks_total) +
    ' so far, ' + count(host.check_failures_total) + ' failed, the last took ' +
    host.check_ms.toFixed(1) + ' ms';

  /* In place, so that what is opened stays open; the list only when there is another. */
  const listed = new WeakMap();
  function showPast(details, host) {
    const [summary, past] = details.children, [check, list] = past.children;
    set(summary, why(host));
    set(check.firstElementChild, host.check);
    while (check.childNodes.length < 3)
      check.append('');
    if (check.lastChild.textContent !== checks(host))
      check.lastChild.textContent = checks(host);
    const changes = JSON.stringify(host.changes);
    if (listed.get(list) === changes)
      return;
    listed.set(list, changes);
    list.replaceChildren(...host.changes.map(change => {
      const item = make('li', '', '');
      item.append(make('time', '', moment(change.time)), ' ',
        make('span', 'badge ' + change.state, words(change.state)), ' ',
        make('span', '', change.reason));
      return item;
    }));
  }

  function showHost(row, host, was, seconds, most, now) {
    const [, state, reason, since, check, weight, open, total, speed, received, sent, failures] =
      row.cells;
    row.className = host.state === 'up' ? '' : isFault(host) ? 'out' : 'asked';
    badge(state.firstElementChild, host.state);
    set(state.lastElementChild, host.slow_start === null ? '' :
      'warming, ' + Math.round(host.slow_start * 100) + ' %');
    state.lastElementChild.hidden = host.slow_start === null;
    showPast(reason.firstElementChild, host);
    const [ago, absolute] = since.firstElementChild.children;
    const seconds_ago = age(host.since, now);
    set(ago, seconds_ago === null ? '' : duration(seconds_ago));
    ago.title = host.since;
    ago.dateTime = host.since;
    set(absolute, moment(host.since));
    set(check, host.next_check_s === null ? '\u2013' : host.next_check_s.toFixed(1) + ' s');
    set(weight, host.weight);
    set(open.firstElementChild, count(host.connections));
    const limit = host.max_connections > 0 ? host.max_connections : most;
    bar(open.lastElementChild, limit > 0 ? host.connections / limit : 0);
    open.lastElementChild.classList.toggle('full',
      host.max_connections > 0 && host.connections >= host.max_connections);
    set(total, count(host.connections_total));
    set(speed, shown(rate(host.connections_total, was?.connections_total, seconds)));
    set(received, bytes(host.bytes_in));
    set(sent, bytes(host.bytes_out));
    set(failures, count(host.failures_total));
    failures.classList.toggle('bad', host.failures_total > 0);
  }
  function showErrors(element, errors) {
    const names = Object.keys(errors);
    element.hidden = names.length === 0;
    element.replaceChildren('ended otherwise: ');
    names.forEach((name, i) => {
      element.append(i > 0 ? ', ' : '', words(name) + ' ', make('b', '', count(errors[name])));
    });
  }

  /* Rows are found by their ids: they may be sorted in another order than the answer has. */
  function showGroup(head, table, id, group, was, seconds, now) {
    const [name, role, , usable, open] = head.children;
    if (name.firstElementChild.textContent !== group.name ||
        table.tBodies[0].rows.length !== group.hosts.length)
      return false;
    const most = Math.max(0, ...group.hosts.map(host => host.connections));
    for (let i = 0; i < group.hosts.length; i++) {
      const row = at(id + 'h' + i);
      if (row?.cells[0].firstElementChild.textContent !== group.hosts[i].name)
        return false;
      showHost(row, group.hosts[i], was?.hosts[i], seconds, most, now);
    }
    badge(role.firstElementChild, group.role);
    set(usable, group.usable + ' of ' + group.hosts.length + ' usable');
    usable.classList.toggle('few', group.usable < group.hosts.length);
    open.hidden = !group.fail_open;
    return true;
  }

  /* False when the page shows other things than the answer holds. */
  function showService(number, service, was, seconds, now) {
    const card = at('s' + number);
    if (!card || card.querySelector('h2').textContent !== service.name)
      return false;
    const [open, total, received, sent] = card.querySelectorAll('dd');
    set(open, count(service.connections) +
      (service.max_connections > 0 ? ' / ' + count(service.max_connections) : ''));
    set(total, count(service.connections_total));
    set(received, bytes(service.bytes_in));
    set(sent, bytes(service.bytes_out));
    showErrors(card.querySelector('.errors'), service.errors);
    const waiting = card.querySelector('.waiting');
    set(waiting, count(service.waiting) + ' waiting for a free place');
    waiting.hidden = service.waiting === 0;

    const heads = card.querySelectorAll('.group'), tables = card.querySelectorAll('table');
    return heads.length === service.groups.length && service.groups.every((group, i) =>
      showGroup(heads[i], tables[i], 's' + number + 'g' + i, group, was?.groups[i], seconds, now));
  }
  function showWorkers(workers, was, seconds) {
    const rows = at('workers').tBodies[0].rows;
    if (rows.length !== workers.length)
      return false;
    let load = 0;
    for (let i = 0; i < rows.length; i++) {
      const worker = workers[i], [name, state, pid, open, accepted, speed, busy, lag, restarts] =
        rows[i].cells;
      if (name.textContent !== 'worker ' + worker.id)
        return false;
      const then = was?.find(other => other.id === worker.id && other.pid === worker.pid);
      badge(state.firstElementChild, worker.state);
      set(pid, worker.pid || '\u2013');
      set(open, count(worker.connections));
      set(accepted, count(worker.accepted_total));
      set(speed, shown(rate(worker.accepted_total, then?.accepted_total, seconds)));
      const share = rate(worker.busy_s, then?.busy_s, seconds);
      set(busy.firstElementChild, share === null ? '\u2013' : Math.round(share * 100) + ' %');
      bar(busy.lastElementChild, share ?? 0);
      set(lag, worker.loop_lag_ms.toFixed(1) + ' ms');
      lag.classList.toggle('bad', worker.loop_lag_ms >= 100);
      set(restarts, count(worker.restarts));
      restarts.classList.toggle('bad', worker.restarts > 0);
      load += share ?? 0;
    }
    const up = workers.filter(worker => worker.state === 'up').length;
    set(at('workers-up'), up);
    set(at('workers-all'), '/ ' + workers.length);
    if (before)
      set(at('load'), 'load ' + Math.round(load * 100 / Math.max(1, workers.length)) + ' %');
    return true;
  }

  function showReload(answer) {
    const last = answer.last_reload, isShown = last !== null && !last.ok;
    const section = at('reload');
    section.hidden = !isShown;
    set(section.querySelector('h2'), isShown ? 'The reload of ' + last.time +
      ' failed: generation ' + answer.generation + ' serves on' : '');
    set(section.querySelector('pre'), isShown ? last.message : '');
  }

  function showAttention(answer) {
    const seen = new Set(), faults = [], asked = [];
    let all = 0;
    answer.services.forEach((service, s) => service.groups.forEach((group, g) => {
      if (seen.has(group.name))
        return;
      seen.add(group.name);
      all += group.hosts.length;
      group.hosts.forEach((host, h) => {
        if (host.state !== 'up')
          (isFault(host) ? faults : asked).push({host, service, group, id: 's' + s + 'g' + g + 'h' + h});
      });
    }));
    const list = faults.concat(asked);
    const items = list.slice(0, LISTED).map(({host, service, group, id}) => {
      const item = document.createElement('li'), link = make('a', '', host.name);
      link.href = '#' + id;
      const seconds_ago = age(host.since, answer.time);
      item.append(make('span', 'badge ' + host.state, words(host.state)), link,
        make('span', 'quiet', service.name + ' / ' + group.name), make('span', '', why(host)),
        make('span', 'ago', seconds_ago === null ? '' : 'for ' + duration(seconds_ago)));
      return item;
    });
    if (list.length > LISTED)
      items.push(make('li', 'more', 'and ' + count(list.length - LISTED) + ' more'));
    at('attention').hidden = list.length === 0;
    const headline = list.length + ' of ' + all + (all === 1 ? ' host' : ' hosts') + ' not up';
    set(at('attention').querySelector('h2'), headline);
    at('attention').querySelector('ul').replaceChildren(...items);
    set(at('hosts-up'), all - list.length);
    set(at('hosts-all'), '/ ' + all);
    set(at('hosts-sub'), list.length === 0 ? 'all is well' : count(list.length) + ' not up');
    at('hosts-sub').classList.toggle('bad', list.length > 0);
    document.title = (list.length > 0 ? headline + ' \u2013 ' : '') + title;
  }

  const curves = {};    /* what was shown of late, by the id of its curve */
  function showCurve(id, value) {
    if (value === null || !at(id))
      return;
    const history = curves[id] ??= [];
    history.push(value);
    if (history.length > HISTORY)
      history.shift();
    const most = Math.max(1, ...history), step = 100 / (HISTORY - 1);
    const points = history.map((rate, i) =>
      (100 - (history.length - 1 - i) * step).toFixed(2) + ' ' + (25 - 22 * rate / most).toFixed(2));
    const start = (100 - (history.length - 1) * step).toFixed(2);
    at(id).firstElementChild.setAttribute('d',
      'M' + start + ' 27L' + points.join('L') + 'L101 27Z');
  }

  /* Failed connects of all hosts, each group once. */
  function failures(answer) {
    if (answer === undefined)
      return undefined;
    const seen = new Set();
    let all = 0;
    for (const service of answer.services)
      for (const group of service.groups)
        if (!seen.has(group.name)) {
          seen.add(group.name);
          all += group.hosts.reduce((sum, host) => sum + host.failures_total, 0);
        }
    return all;
  }

  function showTotals(answer, seconds) {
    const sum = (from, key) =>
      from === undefined ? undefined : from.services.reduce((all, one) => all + one[key], 0);
    const then = before?.answer;
    const total = sum(answer, 'connections_total');
    set(at('open'), count(sum(answer, 'connections')));
    set(at('total'), count(total));
    const speed = rate(total, sum(then, 'connections_total'), seconds);
    set(at('rate'), shown(speed));
    showCurve('spark', speed);
    showCurve('spark-open', sum(answer, 'connections'));
    showCurve('spark-failures', rate(failures(answer), failures(then), seconds));
    for (const [id, key] of [['in', 'bytes_in'], ['out', 'bytes_out']]) {
      const now = sum(answer, key), a_second = rate(now, sum(then, key), seconds);
      set(at(id), bytes(now));
      showCurve('spark-' + id, a_second);
      if (a_second !== null)
        set(at(id + '-rate'), bytes(a_second) + ' a second');
    }
  }

  function show(answer) {
    if (String(answer.generation) !== root.dataset.generation)
      return false;
    const when = performance.now(), then = before?.answer;
    const seconds = before ? (when - before.when) / 1000 : 0;
    badge(at('state'), answer.state);
    set(at('uptime'), duration(answer.uptime_s));
    showTotals(answer, seconds);
    if (!showWorkers(answer.workers, then?.workers, seconds))
      return false;
    for (let i = 0; i < answer.services.length; i++) {
      if (!showService(i, answer.services[i], then?.services[i], seconds, answer.time))
        return false;
    }
    showReload(answer);
    showAttention(answer);
    before = {answer, when};
    document.dispatchEvent(new CustomEvent('shown', {detail: answer}));
    return true;
  }

  /* Renders anew what cannot be updated in place; what is open is opened again. */
  const keyOf = details => {
    const row = details.closest('tr');
    return [row.closest('.card').querySelector('h2'),
      row.closest('.scroll').previousElementSibling.querySelector('h3'), row.cells[0]]
      .map(element => element.textContent).join('\n');
  };
  function renderAnew() {
    if (document.querySelector('dialog[open]'))
      return;    /* somebody is at work: at the next turn */
    const open = [...document.querySelectorAll('details[open]')].map(keyOf);
    try {
      sessionStorage.setItem('open', JSON.stringify(open));
    } catch { /* without storage they are closed */ }
    location.reload();
  }
  function openAgain() {
    let keys = [];
    try {
      keys = JSON.parse(sessionStorage.getItem('open') ?? '[]');
      sessionStorage.removeItem('open');
    } catch { /* as above */ }
    document.querySelectorAll('details').forEach(details => {
      if (keys.includes(keyOf(details)))
        details.open = true;
    });
  }
  async function refresh() {
    try {
      const response = await fetch(here + 'running.json', {signal: AbortSignal.timeout(8000)});
      if (!response.ok)
        throw new Error('status ' + response.status);
      if (!show(await response.json())) {
        renderAnew();
        return;
      }
      lastGood = new Date();
      set(at('stamp'), 'as of ' + lastGood.toLocaleTimeString());
      at('lost').hidden = true;
      document.body.classList.remove('stale');
    } catch {
      const since = lastGood ? ' since ' + lastGood.toLocaleTimeString() : '';
      set(at('lost'), 'No answer from the daemon' + since + '. Trying again\u2026');
      at('lost').hidden = false;
      document.body.classList.add('stale');
    }
  }

  /* One fetch at a time; a hidden page rests. The first rates appear after a second. */
  let timer = 0, busy = false;
  async function turn() {
    clearTimeout(timer);
    if (document.hidden || busy)
      return;
    busy = true;
    const isFirst = before === null;
    await refresh();
    busy = false;
    timer = setTimeout(turn, isFirst ? Math.min(every, 1000) : every);
  }
  document.addEventListener('visibilitychange', turn);
  document.addEventListener('changed', turn);
  openAgain();
  turn();
})();

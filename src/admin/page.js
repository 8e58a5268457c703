/* SPDX-License-Identifier: MIT */
/*
 * Keeps the page fresh: fetches running.json and rewrites, in place, what the server has
 * rendered. Names and reasons go through textContent alone. What cannot be updated in place
 * (another configuration, another set of workers) is rendered anew by the server and taken over
 * from there, around what a person is busy with: focus, dialogs, views, what was typed or opened.
 *
 * Events on the document: "shown" after each refresh, "rendered" when rows are new elements; "changed"
 * asks for a refresh.
 */
'use strict';
(() => {
  const {at, here, make: create, set, placeOf, rememberFocus, giveFocus} = parts;
  const {DASH, count, bytes, duration, perSecond, share, words, moment} = human;
  const root = document.documentElement;
  const LISTED = 20;    /* hosts named in the list of those not up */
  const HISTORY = 60;   /* points of a curve */
  let before = null;    /* the answer before, and when it came */
  let lastGood = null;
  let isFirst = true;   /* rates appear after two answers: the second comes soon */

  const make = (tag, className, text) => create(tag, {className}, text);
  const badge = (element, state) => {
    element.className = 'badge ' + state;
    set(element, words(state));
  };
  const bar = (svg, part) => {
    const width = Math.max(0, Math.min(100, part * 100)).toFixed(1);
    svg.firstElementChild.setAttribute('width', width);
    svg.classList.toggle('full', part >= 1);
  };

  /* What happened a second since the answer before; null when there was none. */
  const rate = (now, then, seconds) =>
    then === undefined || seconds <= 0 || now < then ? null : (now - then) / seconds;
  const age = (since, now) => since === '' ? null :
    Math.max(0, (Date.parse(now) - Date.parse(since)) / 1000);

  const FAULTS = ['down', 'ejected', 'unresolved'];
  const isFault = host => FAULTS.includes(host.state);

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
    const [summary, past] = details.children, [check, failed, ports, list] = past.children;
    set(summary, why(host));
    set(check.firstElementChild, host.check);
    while (check.childNodes.length < 3)
      check.append('');
    if (check.lastChild.textContent !== checks(host))
      check.lastChild.textContent = checks(host);
    const kinds = Object.entries(host.failures);
    failed.hidden = kinds.length === 0;
    set(failed, 'failed connects: ' + kinds.map(([kind, n]) => kind + ' ' + count(n)).join(', '));
    ports.hidden = host.ports_left === null;
    set(ports, 'local ports left: ' + (host.ports_left === null ? '' : count(host.ports_left)));
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
    const [, warm] = state.children;
    set(warm, host.slow_start === null ? '' : 'warming, ' + share(host.slow_start));
    warm.hidden = host.slow_start === null;
    showPast(reason.firstElementChild, host);
    const [ago, absolute] = since.firstElementChild.children;
    const seconds_ago = age(host.since, now);
    set(ago, seconds_ago === null ? '' : duration(seconds_ago));
    ago.title = host.since;
    ago.dateTime = host.since;
    set(absolute, moment(host.since));
    set(check, host.next_check_s === null ? DASH : host.next_check_s.toFixed(1) + ' s');
    set(weight, host.weight);
    set(open.firstElementChild, count(host.connections));
    const limit = host.max_connections > 0 ? host.max_connections : most;
    bar(open.lastElementChild, limit > 0 ? host.connections / limit : 0);
    open.lastElementChild.classList.toggle('full',
      host.max_connections > 0 && host.connections >= host.max_connections);
    set(total, count(host.connections_total));
    set(speed, perSecond(rate(host.connections_total, was?.connections_total, seconds)));
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
    set(usable, group.usable + ' of ' + group.hosts.length + ' usable' +
      (group.ejected > 0 ? ', ' + group.ejected + ' ejected' : ''));
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
  const counted = (element, n) => {
    set(element, count(n));
    element.classList.toggle('bad', n > 0);
  };
  function showWorkers(workers, was, seconds) {
    const rows = at('workers').tBodies[0].rows;
    if (rows.length !== workers.length)
      return false;
    let load = 0;
    for (let i = 0; i < rows.length; i++) {
      const worker = workers[i], [name, state, pid, open, accepted, speed, busy, lag, restarts, paused,
        dropped, generation] = rows[i].cells;
      if (name.textContent !== 'worker ' + worker.id)
        return false;
      const then = was?.find(other => other.id === worker.id && other.pid === worker.pid);
      badge(state.firstElementChild, worker.state);
      set(pid, worker.pid || DASH);
      set(open, count(worker.connections));
      set(accepted, count(worker.accepted_total));
      set(speed, perSecond(rate(worker.accepted_total, then?.accepted_total, seconds)));
      const part = rate(worker.busy_s, then?.busy_s, seconds);
      set(busy.firstElementChild, share(part));
      bar(busy.lastElementChild, part ?? 0);
      set(lag, worker.loop_lag_ms.toFixed(1) + ' ms');
      lag.classList.toggle('bad', worker.loop_lag_ms >= 100);
      counted(restarts, worker.restarts);
      counted(paused, worker.accept_paused_total);
      counted(dropped, worker.dropped_lines);
      set(generation, count(worker.generation));
      load += part ?? 0;
    }
    const up = workers.filter(worker => worker.state === 'up').length;
    set(at('workers-up'), up);
    set(at('workers-all'), '/ ' + workers.length);
    if (before) {
      set(at('load'), 'load ' + share(load / Math.max(1, workers.length)));
      showCurve('spark-load', load);
    }
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

  function newItem(id) {
    const item = make('li', '', ''), link = make('a', '', '');
    link.href = '#' + id;
    item.append(make('span', 'badge', ''), link, make('span', 'quiet', ''), make('span', '', ''),
      make('span', 'ago', ''));
    return item;
  }
  /* In place, so that a link that has the focus keeps it. */
  function showList(ul, list, now) {
    const wanted = new Map(list.slice(0, LISTED).map(one => ['#' + one.id, one]));
    const there = new Map();
    for (const item of [...ul.children]) {
      const hash = item.querySelector('a')?.hash;
      if (wanted.has(hash))
        there.set(hash, item);
      else
        item.remove();
    }
    let next = ul.firstElementChild;
    for (const [hash, {host, service, group, id}] of wanted) {
      const item = there.get(hash) ?? newItem(id);
      const [state, link, where, reason, ago] = item.children;
      badge(state, host.state);
      set(link, host.name);
      set(where, service.name + ' / ' + group.name);
      set(reason, why(host));
      const seconds_ago = age(host.since, now);
      set(ago, seconds_ago === null ? '' : 'for ' + duration(seconds_ago));
      if (item === next)
        next = next.nextElementSibling;
      else
        ul.insertBefore(item, next);
    }
    if (list.length > LISTED)
      ul.append(make('li', 'more', 'and ' + count(list.length - LISTED) + ' more'));
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
    const headline = list.length + ' of ' + all + (all === 1 ? ' host' : ' hosts') + ' not up';
    at('attention').hidden = list.length === 0;
    set(at('attention').querySelector('h2'), headline);
    showList(at('attention').querySelector('ul'), list, answer.time);
    set(at('hosts-up'), all - list.length);
    set(at('hosts-all'), '/ ' + all);
    set(at('hosts-sub'), list.length === 0 ? 'all is well' : count(list.length) + ' not up');
    at('hosts-sub').classList.toggle('bad', list.length > 0);
    document.title = (list.length > 0 ? headline + ' ' + DASH + ' ' : '') + root.dataset.title;
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
    const points = history.map((value, i) =>
      (100 - (history.length - 1 - i) * step).toFixed(2) + ' ' + (25 - 22 * value / most).toFixed(2));
    const start = (100 - (history.length - 1) * step).toFixed(2), line = points.join('L');
    const [area, edge] = at(id).children;
    area.setAttribute('d', 'M' + start + ' 27L' + line + 'L100 27Z');
    edge.setAttribute('d', 'M' + line);
  }
  const peak = id => Math.max(0, ...(curves[id] ?? []));

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
    set(at('rate'), perSecond(speed));
    showCurve('spark', speed);
    showCurve('spark-open', sum(answer, 'connections'));
    if (speed !== null)
      set(at('rate-peak'), 'at most ' + perSecond(peak('spark')) + ' of late');
    const failing = rate(failures(answer), failures(then), seconds);
    showCurve('spark-failures', failing);
    if (failing !== null)
      set(at('failures'), ' \u00b7 ' + perSecond(failing) + ' failed/s');
    for (const [id, key] of [['in', 'bytes_in'], ['out', 'bytes_out']]) {
      const now = sum(answer, key), a_second = rate(now, sum(then, key), seconds);
      set(at(id), bytes(now));
      showCurve('spark-' + id, a_second);
      if (a_second !== null)
        set(at(id + '-rate'), bytes(a_second) + ' a second');
    }
  }

  function showFacts(answer) {
    const {ok, failed} = answer.reloads;
    set(at('fact-reloads-ok'), count(ok));
    counted(at('fact-reloads-failed'), failed);
    set(at('fact-generations'), count(answer.generations));
    set(at('fact-access_lines'), count(answer.access_lines));
    set(at('fact-listen_overflows'), count(answer.listen_overflows));
    for (const key of ['director_restarts', 'access_dropped', 'lines_lost'])
      counted(at('fact-' + key), answer[key]);
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
    showFacts(answer);
    showReload(answer);
    showAttention(answer);
    before = {answer, when};
    document.dispatchEvent(new CustomEvent('shown', {detail: answer}));
    return true;
  }

  const fetchHere = path => fetch(here + path, {signal: AbortSignal.timeout(8000)}).then(response => {
    if (!response.ok)
      throw new Error('status ' + response.status);
    return response;
  });

  /* Another program or another user has other scripts or buttons: then all of it is loaded anew. */
  const isSamePage = fresh => fresh.getElementById('services') !== null &&
    fresh.documentElement.dataset.version === root.dataset.version &&
    (parts.tokenOf(fresh) !== '') === parts.isFull;

  async function renderAnew() {
    const page = await (await fetchHere('')).text();
    const fresh = new DOMParser().parseFromString(page, 'text/html');
    if (!isSamePage(fresh)) {
      location.reload();
      return;
    }
    const open = [...document.querySelectorAll('#services details[open]')].map(placeOf);
    const was = rememberFocus(), [x, y] = [scrollX, scrollY];
    Object.assign(root.dataset, fresh.documentElement.dataset);
    if (parts.isFull)
      document.querySelector('meta[name="gaidaros-token"]').content = parts.tokenOf(fresh);
    at('header').replaceWith(fresh.getElementById('header'));
    at('services').replaceChildren(...fresh.getElementById('services').childNodes);
    for (const details of document.querySelectorAll('#services details'))
      details.open = open.includes(placeOf(details));
    before = null;    /* hosts may have other numbers: no rate can be told */
    isFirst = true;
    document.dispatchEvent(new Event('rendered'));
    giveFocus(was);
    scrollTo(x, y);
  }

  async function refresh() {
    try {
      if (!show(await (await fetchHere('running.json')).json())) {
        await renderAnew();
        show(await (await fetchHere('running.json')).json());    /* if not: at the next turn */
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

  /* One fetch at a time; a hidden page rests. */
  let timer = 0, busy = false, isWanted = false;
  async function turn() {
    clearTimeout(timer);
    isWanted = busy;    /* a change during a fetch may not be in what it gets */
    if (document.hidden || busy)
      return;
    busy = true;
    await refresh();
    busy = false;
    const every = Math.max(Number(root.dataset.refresh), 500);
    timer = setTimeout(turn, isWanted ? 0 : isFirst ? Math.min(every, 1000) : every);
    isFirst = false;
  }
  document.addEventListener('visibilitychange', turn);
  document.addEventListener('changed', turn);
  /* When all scripts are there. */
  document.addEventListener('DOMContentLoaded', turn);
})();

/* SPDX-License-Identifier: MIT */
/* Finds and sorts hosts, also among thousands; both hold over refreshes and renderings. */
'use strict';
(() => {
  const {at, make, button, set, keep, kept, serviceOf, groupOf} = parts;
  const rowsOf = table => [...table.tBodies[0].rows];
  const tables = () => [...document.querySelectorAll('.hosts')];

  /* ---- finding ---- */

  const isOut = row => row.classList.contains('out') || row.classList.contains('asked');
  const textOf = row => [row.cells[0], row.cells[1].firstElementChild, row.cells[2].querySelector('summary')]
    .map(element => element.textContent).join(' ').toLowerCase();

  function filterRows() {
    const words = at('filter').value.toLowerCase().split(/\s+/).filter(word => word !== '');
    const onlyOut = at('only-out').checked, isFiltered = words.length > 0 || onlyOut;
    let shown = 0, all = 0;
    for (const table of tables()) {
      const before = shown;
      for (const row of rowsOf(table)) {
        const text = words.length > 0 ? textOf(row) : '';
        row.hidden = (onlyOut && !isOut(row)) || !words.every(word => text.includes(word));
        shown += row.hidden ? 0 : 1;
        all++;
      }
      const scroll = table.closest('.scroll');
      scroll.hidden = scroll.previousElementSibling.hidden = isFiltered && shown === before;
    }
    set(at('found'), isFiltered ? human.count(shown) + ' of ' + human.count(all) + ' hosts' : '');
    keep('filter', at('filter').value);
    keep('only-out', onlyOut ? 'yes' : '');
  }
  function showAll() {
    at('filter').value = '';
    at('only-out').checked = false;
    filterRows();
  }

  /* ---- sorting: what each table is sorted by, by the place of the table ---- */

  const UNITS = {B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40, PiB: 2 ** 50, EiB: 2 ** 60,
    ms: 0.001, s: 1, min: 60, h: 3600, d: 86400};
  const orders = new Map();    /* {column, isDown} */
  const placeOf = table => serviceOf(table) + '\n' + groupOf(table);

  /* What is right-aligned is a number: "1 h 5 min", "2.5 MiB", "–" before all. Else it is text. */
  function keyOf(cell) {
    const text = (cell.firstElementChild?.firstElementChild ?? cell.firstElementChild ?? cell).textContent;
    if (!cell.classList.contains('num'))
      return text.trim();
    const found = [...text.replace(/\u202f/g, '').matchAll(/([\d.]+)\s*([A-Za-z]*)/g)];
    return found.reduce((sum, [, n, unit]) => sum + Number(n) * (UNITS[unit] ?? 1), found.length > 0 ? 0 : -1);
  }
  const compare = (a, b) => typeof a === 'number' && typeof b === 'number' ? a - b :
    String(a).localeCompare(String(b), undefined, {numeric: true});
  /* As the file has them: the order where the keys are the same. */
  const numberOf = row => Number(/\d+$/.exec(row.id)[0]);

  /* Rows only move when they must: moving takes the focus. */
  function sortRows(table) {
    const order = orders.get(placeOf(table));
    const rows = rowsOf(table).map(row => ({row, key: order ? keyOf(row.cells[order.column]) : 0}));
    rows.sort((a, b) => (order?.isDown ? -1 : 1) * compare(a.key, b.key) || numberOf(a.row) - numberOf(b.row));
    if (rows.some((one, i) => table.tBodies[0].rows[i] !== one.row))
      table.tBodies[0].append(...rows.map(one => one.row));
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      if (order?.column === column)
        cell.setAttribute('aria-sort', order.isDown ? 'descending' : 'ascending');
      else
        cell.removeAttribute('aria-sort');
    });
  }
  /* Up, then down, then as the file has them. */
  function sortBy(table, column) {
    const place = placeOf(table), order = orders.get(place);
    if (order?.column !== column)
      orders.set(place, {column, isDown: false});
    else if (!order.isDown)
      order.isDown = true;
    else
      orders.delete(place);
    sortRows(table);
  }
  function addSorting(table) {
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const text = cell.textContent;
      cell.replaceChildren(button(text, 'Sort by ' + text, () => sortBy(table, column), 'sort'));
    });
    sortRows(table);
  }
  /* Figures have changed. Not under somebody's hand, who is just about to press a button. */
  function sortAgain() {
    for (const table of tables())
      if (orders.has(placeOf(table)) && !table.tBodies[0].matches(':hover, :focus-within'))
        sortRows(table);
  }

  /* Where the page is narrow, tables have no headings to click. */
  function addNarrowSorting() {
    const heads = [...tables()[0]?.tHead.rows[0].cells ?? []].map(cell => cell.textContent);
    const choice = make('select', {id: 'sort', onchange: () => {
      const [column, isDown] = choice.value.split(' ').map(Number);
      for (const table of tables()) {
        if (column < 0)
          orders.delete(placeOf(table));
        else
          orders.set(placeOf(table), {column, isDown: isDown === 1});
        sortRows(table);
      }
    }}, make('option', {value: '-1 0'}, 'as the file has them'));
    heads.forEach((head, column) => [' \u2191', ' \u2193'].forEach((arrow, isDown) =>
      choice.append(make('option', {value: column + ' ' + isDown}, head + arrow))));
    return make('label', {className: 'narrow'}, make('span', {}, 'Sort'), choice);
  }

  /* ---- the bar, and the way from the list of those not up ---- */

  function addFinder() {
    const bar = make('div', {className: 'finder', role: 'search'},
      make('label', {}, make('span', {}, 'Find hosts'),
        make('input', {id: 'filter', type: 'search', value: kept('filter'), oninput: filterRows,
          placeholder: 'name, address, state, reason'})),
      make('label', {}, make('input', {id: 'only-out', type: 'checkbox', checked: kept('only-out') !== '',
        onchange: filterRows}), make('span', {}, 'only those not up')),
      addNarrowSorting(), make('output', {id: 'found'}));
    at('services').before(bar);
    at('attention').querySelector('h2').after(button('Show only these', 'Show only hosts that are not up', () => {
      at('filter').value = '';
      at('only-out').checked = true;
      filterRows();
      at('only-out').scrollIntoView({block: 'start'});
      at('only-out').focus();
    }));
  }

  /* A link in that list leads to a row that is shown and opened. */
  at('attention').addEventListener('click', event => {
    const row = event.target.hash && at(event.target.hash.slice(1));
    if (!row)
      return;
    event.preventDefault();
    if (row.hidden)
      showAll();
    location.replace(event.target.hash);    /* marks it, as the link would */
    const details = row.querySelector('details');
    details.open = true;
    row.scrollIntoView({block: 'center'});
    details.querySelector('summary').focus({preventScroll: true});
  });

  addFinder();
  tables().forEach(addSorting);
  filterRows();
  document.addEventListener('rendered', () => {
    tables().forEach(addSorting);
    filterRows();
  });
  document.addEventListener('shown', () => {
    sortAgain();
    filterRows();
  });
})();

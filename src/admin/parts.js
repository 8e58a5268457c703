/* SPDX-License-Identifier: MIT */
/* Pieces that the page's scripts share: elements, places on the page, what was said, calls, questions. */
'use strict';
const parts = (() => {
  /* Without a name and a password, which the page's address may hold: no fetch takes that. */
  const here = location.origin + location.pathname.replace(/[^/]*$/, '');
  const at = id => document.getElementById(id);
  const tokenOf = page => page.querySelector('meta[name="gaidaros-token"]')?.content ?? '';
  const isFull = tokenOf(document) !== '';

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  /* label: what a screen reader says, where the text alone does not tell of what */
  const button = (text, label, onclick, className = '') => {
    const element = make('button', {type: 'button', className, onclick}, text);
    if (label !== text)
      element.setAttribute('aria-label', label);
    return element;
  };
  const set = (element, text) => {
    if (element.textContent !== String(text))
      element.textContent = text;
  };

  /* Kept for the next rendering of the whole page; without storage it is forgotten then. */
  const keep = (key, value) => {
    try {
      sessionStorage.setItem(key, value);
    } catch { /* as said */ }
  };
  const kept = key => {
    try {
      return sessionStorage.getItem(key) ?? '';
    } catch {
      return '';
    }
  };

  /* ---- places: the same after a rendering, which makes new elements ---- */

  const serviceOf = element => element.closest('.card').querySelector('h2').textContent;
  const headOf = element => element.closest('.group') ?? element.closest('.scroll')?.previousElementSibling;
  const groupOf = element => headOf(element)?.querySelector('h3 b')?.textContent ?? '';
  const hostOf = element => element.closest('tbody tr')?.cells[0].firstElementChild.textContent ?? '';
  const placeOf = element =>
    [serviceOf(element), groupOf(element), hostOf(element)].join('\n');

  const nameOf = element => element.tagName + (element.getAttribute('aria-label') ?? element.hash ?? '');
  /* Where the focus is, if a rendering may take it away. */
  function rememberFocus() {
    const element = document.activeElement;
    return element?.closest('#services .card') ? {place: placeOf(element), name: nameOf(element)} : null;
  }
  /* Gives it back, when it was lost; where its place is no more, to where one looks for others. */
  function giveFocus(was) {
    if (was === null || (document.activeElement && document.activeElement !== document.body))
      return;
    const found = [...at('services').querySelectorAll('button, summary, a')].find(element =>
      nameOf(element) === was.name && placeOf(element) === was.place);
    (found ?? at('filter')).focus({preventScroll: true});
  }

  /* ---- what was said ---- */

  /* Read out politely; it stays in sight wherever one has scrolled to. */
  const said = make('p', {id: 'said'});
  said.setAttribute('role', 'status');
  const box = make('div', {className: 'said'}, said, button('Dismiss', 'Dismiss the message', () => {
    said.textContent = '';
    box.classList.remove('shown');
  }));
  document.querySelector('main').prepend(box);
  function say(text, isBad) {
    said.textContent = text;
    box.classList.toggle('bad', isBad);
    box.classList.add('shown');
  }

  /* Makes a call; what came of it is said. True when it was done. */
  async function call(name, fields) {
    try {
      const response = await fetch(here + 'api/' + name, {
        method: 'POST',
        headers: {'Content-Type': 'application/json', 'X-Gaidaros-Token': tokenOf(document)},
        body: JSON.stringify(fields),
        signal: AbortSignal.timeout(30000),
      });
      const answer = await response.json();
      say(answer.ok ? answer.message || name + ': done' : name + ': ' + answer.error, !answer.ok);
      document.dispatchEvent(new Event('changed'));
      return answer.ok;
    } catch (error) {
      say(name + ': no answer from the daemon (' + error.message + ')', true);
      return false;
    }
  }

  /* The text of a path; throws what the server says why not. */
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

  /* ---- asking ---- */

  const labelled = field => {
    const input = make('input', {name: field.name, type: field.type ?? 'text', value: field.value ?? '',
      required: !field.isOptional, autocomplete: 'off'});
    return {input, row: make('label', {}, make('span', {}, field.label), input)};
  };

  /*
   * A dialog with fields {name, label, value, type, isOptional} and a button that says what it does. Gives the
   * values of the fields that are not empty, or null when it was closed. What loses something is not done by
   * pressing Enter twice.
   */
  function ask(title, text, fields, does, isLoss = false) {
    return new Promise(resolve => {
      const inputs = fields.map(labelled);
      const heading = make('h2', {}, title);
      const form = make('form', {method: 'dialog'}, heading,
        ...(text ? [make('p', {}, text)] : []), ...inputs.map(one => one.row),
        make('div', {className: 'buttons'},
          button('Cancel', 'Cancel', () => dialog.close()),
          make('button', {type: 'submit', className: isLoss ? 'does loses' : 'does', value: 'does'}, does)));
      const dialog = make('dialog', {}, form), was = rememberFocus();
      dialog.setAttribute('aria-label', title);
      dialog.addEventListener('close', () => {
        const isDone = dialog.returnValue === 'does';
        dialog.remove();
        giveFocus(was);    /* what had it may have been rendered anew meanwhile */
        resolve(isDone ? Object.fromEntries(inputs.map(({input}) =>
          [input.name, input.value.trim()]).filter(([, value]) => value !== '')) : null);
      });
      document.body.append(dialog);
      dialog.showModal();
      (inputs[0]?.input ?? form.querySelector(isLoss ? '.buttons button' : '.does')).focus();
    });
  }

  return {here, at, isFull, tokenOf, make, button, set, keep, kept, serviceOf, groupOf, hostOf, placeOf,
    rememberFocus, giveFocus, say, call, fetchText, ask};
})();

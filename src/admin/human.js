/* SPDX-License-Identifier: MIT */
/* Prints numbers and times as people like to read them, and as the server prints them (show.c). */
'use strict';
const human = (() => {
  const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  const DASH = '\u2013';
  const count = n => String(n).replace(/\B(?=(\d{3})+$)/g, '\u202f');
  const bytes = n => {
    let unit = 0;
    /* 999.5 and more would be printed with four digits. */
    while (n >= 999.5 && unit + 1 < UNITS.length) {
      n /= 1024;
      unit++;
    }
    return (unit > 0 && n < 9.95 ? n.toFixed(1) : n.toFixed(0)) + ' ' + UNITS[unit];
  };
  const two = (first, word, rest, next) =>
    first + ' ' + word + (rest > 0 ? ' ' + rest + ' ' + next : '');
  const duration = s => {
    const minutes = Math.floor(s / 60), hours = Math.floor(minutes / 60);
    if (hours >= 24)
      return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
    if (hours > 0)
      return two(hours, 'h', minutes % 60, 'min');
    return minutes > 0 ? minutes + ' min' : Math.floor(s) + ' s';
  };
  const perSecond = n =>
    n === null ? DASH : n > 0 && n < 9.95 ? n.toFixed(1) : count(Math.round(n));
  const share = part => part === null ? DASH : Math.round(part * 100) + ' %';
  const words = state => state.replace('_', ' ');
  const moment = time => time.replace('T', ' ');
  return {DASH, count, bytes, duration, perSecond, share, words, moment};
})();

// The page is complete without this file. It filters while one types, and
// keeps the page up to date.
'use strict';

const form = document.getElementById('filter');
const shown = document.getElementById('shown');
const alive = document.getElementById('alive');
const live = document.getElementById('live');
const refreshEvery = 10000; // milliseconds, at least
const refreshShare = 20;    // times what a refresh took is the pause after it

const list = () => document.getElementById('list');

// The filter is in the address, so that it can be kept and handed on.
function readAddress() {
  const hash = new URLSearchParams(location.hash.slice(1));
  if (hash.has('q')) form.q.value = hash.get('q');
  if (hash.has('state')) choose(hash.get('state'));
}

function choose(state) {
  if (![...form.state.options].some((o) => o.value === state)) {
    form.state.add(new Option(state, state));
  }
  form.state.value = state;
}

function writeAddress() {
  const hash = new URLSearchParams();
  if (form.q.value.trim()) hash.set('q', form.q.value.trim());
  if (form.state.value) hash.set('state', form.state.value);
  const text = hash.toString();
  history.replaceState(null, '', location.pathname + location.search + (text ? '#' + text : ''));
}

function filter() {
  const words = form.q.value.toLowerCase().split(/\s+/).filter(Boolean);
  const state = form.state.value;
  let count = 0;
  const rows = list().querySelectorAll('tbody > tr');
  for (const row of rows) {
    row.text ??= (row.textContent + ' ' + row.dataset.more).toLowerCase();
    const right = !state || (state === 'failing' ? 'failing' in row.dataset : row.dataset.state === state);
    const hide = !right || !words.every((w) => row.text.includes(w));
    if (row.hidden !== hide) row.hidden = hide;
    if (!hide) count++;
  }
  const cut = 'cut' in list().dataset;
  const text = count + ' of ' + (cut ? rows.length + ' listed' : list().dataset.total) + ' shown' +
    (cut ? ': press Filter to look through all ' + list().dataset.total : '');
  if (shown.textContent !== text) shown.textContent = text;
  for (const a of document.querySelectorAll('.counts a')) {
    const its = new URL(a.href).searchParams.get('state') || '';
    if (its === state) a.setAttribute('aria-current', 'true'); else a.removeAttribute('aria-current');
  }
}

let typing;
form.addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => { writeAddress(); filter(); }, 120);
});
form.addEventListener('submit', (e) => {
  if ('cut' in list().dataset || location.search) return; // the server knows the other rows
  e.preventDefault();
  writeAddress();
  filter();
});
document.addEventListener('click', (e) => {
  const a = e.target.closest('.counts a');
  if (!a || 'cut' in list().dataset || location.search || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  choose(new URL(a.href).searchParams.get('state') || '');
  writeAddress();
  filter();
});
addEventListener('hashchange', () => { readAddress(); filter(); });

// What can have the focus or be scrolled, by what it is in both pages.
const places = (part) => new Map([...part.querySelectorAll('a[href], [tabindex]')]
  .map((e) => [e.getAttribute('href') ?? e.getAttribute('aria-labelledby'), e]));

// replace leaves the focus and what is scrolled where they are.
function replace(part, next) {
  const held = document.activeElement;
  const then = places(next);
  const kept = [...places(part)].filter(([key]) => then.has(key))
    .map(([key, e]) => ({ e: then.get(key), top: e.scrollTop, left: e.scrollLeft, focus: e === held }));
  part.replaceWith(next);
  for (const { e, top, left, focus } of kept) {
    e.scrollTo(left, top);
    if (focus) e.focus({ preventScroll: true });
  }
}

async function refresh() {
  const start = performance.now();
  if (live.querySelector('input').checked && document.visibilityState === 'visible') {
    try {
      const answer = await fetch(location.pathname + location.search, { cache: 'no-store' });
      if (!answer.ok) throw new Error(answer.status + ': ' + (await answer.text()).trim());
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      for (const part of document.querySelectorAll('[data-part]')) {
        const next = fresh.getElementById(part.id);
        if (next) replace(part, document.adoptNode(next));
      }
      filter();
      alive.hidden = true;
    } catch (err) {
      alive.textContent = 'Not up to date: ' + err.message;
      alive.hidden = false;
    }
  }
  setTimeout(refresh, Math.max(refreshEvery, refreshShare * (performance.now() - start)));
}

live.hidden = false;
readAddress();
filter();
setTimeout(refresh, refreshEvery);

const byId = (id) => document.getElementById(id);
const page = {
  state: null,
  user: null,
  place: null,
  thread: null,
  read: new Map(),
  nodes: new Map(),
  modal: null,
};

const names = {
  userName: (id, label) => page.state.users.find((user) => user.id === id)?.realName ?? (label || id),
  channelName: (id, label) => page.state.channels.find((channel) => channel.id === id)?.name ?? (label || id),
};

async function call(path, body) {
  try {
    const response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (!answer.ok)
      toast(
        `The app did not answer as it should: ${answer.failure ?? 'error'}${answer.status ? ` (HTTP ${answer.status})` : ''}`,
      );
    return answer;
  } catch {
    toast('The sandbox is not reachable.');
    return { ok: false };
  }
}

function toast(text) {
  const node = el('div', { class: 'toast' }, '⚠ ' + text);
  byId('toasts').append(node);
  setTimeout(() => node.remove(), 6000);
}

/* One refresh at a time; what changes meanwhile leads to exactly one more. */
let isFetching = false;
let isStale = false;
async function refresh() {
  if (isFetching) {
    isStale = true;
    return;
  }
  isFetching = true;
  try {
    const response = await fetch('/ui/state' + (page.user ? `?user=${encodeURIComponent(page.user)}` : ''));
    page.state = await response.json();
    page.user = page.state.user;
    page.place ??= page.state.channels[0]?.id ?? 'log';
    render();
  } finally {
    isFetching = false;
    if (isStale) {
      isStale = false;
      void refresh();
    }
  }
}

function render() {
  const focused = document.activeElement?.dataset?.key;
  renderSidebar();
  const title = byId('title');
  const composer = byId('composer');
  const channel = page.state.channels.find((each) => each.id === page.place);
  composer.hidden = !channel;
  if (channel) {
    title.textContent =
      channel.kind === 'im'
        ? `GoMon → ${names.userName(channel.userId, '')}`
        : (channel.kind === 'private' ? '🔒 ' : '# ') + channel.name;
    byId('topic').textContent = [
      channel.isArchived && 'archived',
      !channel.botIsMember && 'the app is not a member',
    ]
      .filter(Boolean)
      .join(' · ');
    renderChannel(channel);
  } else if (page.place === 'home') {
    title.textContent = 'GoMon · Home';
    byId('topic').textContent = '';
    const home = page.state.views.find((view) => view.type === 'home');
    byId('messages').replaceChildren(
      el(
        'div',
        { class: 'log' },
        home
          ? showBlocks(home.definition.blocks, viewContext(home))
          : el('p', { class: 'empty' }, 'The app has not published a Home tab for you.'),
      ),
    );
  } else renderLog();
  renderThread();
  renderModal();
  if (focused && document.activeElement?.dataset?.key !== focused)
    document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function renderSidebar() {
  byId('team').textContent = page.state.app.teamName;
  const entry = (id, label, unread) =>
    el(
      'li',
      {},
      el(
        'button',
        {
          class: unread ? 'unread' : '',
          'aria-current': page.place === id ? 'true' : null,
          'data-key': `go/${id}`,
          onclick: () => go(id),
        },
        el('span', {}, label),
        unread ? el('span', { class: 'badge', 'aria-label': `${unread} unread` }, String(unread)) : null,
      ),
    );
  const unreadIn = (channel) => {
    const top = page.state.messages[channel.id].filter((each) => !each.threadTs || each.isBroadcast);
    if (channel.id === page.place) {
      page.read.set(channel.id, top.at(-1)?.ts ?? '');
      return 0;
    }
    return top.filter((each) => each.ts > (page.read.get(channel.id) ?? '')).length;
  };
  const list = (kinds) => page.state.channels.filter((each) => kinds.includes(each.kind));
  byId('channels').replaceChildren(
    ...list(['public', 'private']).map((each) =>
      entry(
        each.id,
        `${each.kind === 'private' ? '🔒' : '#'} ${each.name}${each.isArchived ? ' (archived)' : ''}`,
        unreadIn(each),
      ),
    ),
  );
  byId('ims').replaceChildren(...list(['im']).map((each) => entry(each.id, 'GoMon', unreadIn(each))));
  byId('apps').replaceChildren(entry('home', 'GoMon Home', 0), entry('log', 'Log', 0));
  const select = byId('user');
  const people = page.state.users.filter((user) => !user.isBot);
  if (select.options.length !== people.length)
    select.replaceChildren(...people.map((user) => el('option', { value: user.id }, user.realName)));
  select.value = page.user;
}

function go(place) {
  page.place = place;
  page.thread = null;
  if (place === 'home') void call('/ui/home', { user: page.user });
  render();
  byId('messages').scrollTop = byId('messages').scrollHeight;
}

function renderChannel(channel) {
  const box = byId('messages');
  const atEnd = box.dataset.place !== channel.id || box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  const all = page.state.messages[channel.id];
  const quiet = page.state.ephemerals.filter((each) => each.channelId === channel.id && !each.threadTs);
  const items = [
    ...all
      .filter((each) => !each.threadTs || each.isBroadcast)
      .map((each) => ({ ts: each.ts, node: () => cached(each, channel, all) })),
    ...quiet.map((each) => ({ ts: each.ts, node: () => showEphemeral(each) })),
  ].toSorted((a, b) => (a.ts < b.ts ? -1 : 1));
  arrange(
    box,
    items.length ? items.map((item) => item.node()) : [el('p', { class: 'empty' }, 'No messages yet.')],
  );
  box.dataset.place = channel.id;
  if (atEnd) box.scrollTop = box.scrollHeight;
}

/* Puts the nodes in order without touching those that already stand right, so that focus and open menus stay. */
function arrange(box, nodes) {
  nodes.forEach((node, index) => {
    if (box.childNodes[index] !== node) box.insertBefore(node, box.childNodes[index] ?? null);
  });
  while (box.childNodes.length > nodes.length) box.lastChild.remove();
}

function cached(message, channel, all, inThread = false) {
  const replies = inThread ? [] : all.filter((each) => each.threadTs === message.ts);
  const key = `${message.channelId}/${message.ts}/${inThread}`;
  const print = JSON.stringify([message, replies.length, replies.at(-1)?.ts, page.user]);
  const known = page.nodes.get(key);
  if (known?.print === print) return known.node;
  const node = showMessage(message, replies, inThread);
  page.nodes.set(key, { print, node });
  return node;
}

function timeOf(ts) {
  const at = new Date(Number(ts.split('.')[0]) * 1000);
  return el(
    'time',
    { datetime: at.toISOString(), title: at.toLocaleString() },
    at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' }),
  );
}

function frame(author, isBot, ts, extra, children, className = '') {
  return el(
    'article',
    { class: `message ${className}` },
    el('div', { class: `avatar ${isBot ? 'bot' : ''}`, 'aria-hidden': true }, author.slice(0, 1)),
    el(
      'div',
      {},
      el(
        'div',
        { class: 'meta' },
        el('strong', {}, author),
        isBot ? el('span', { class: 'app' }, 'APP') : null,
        timeOf(ts),
        extra,
      ),
      el('div', { class: 'body' }, children),
    ),
  );
}

function content(holder, view) {
  const text = holder.blocks.length ? [] : showPieces(parseMrkdwn(holder.text, { verbatim: false }), view);
  return [
    text,
    showBlocks(holder.blocks, view),
    holder.attachments.map((each) => {
      const node = el(
        'div',
        { class: 'attachment' },
        each.blocks
          ? showBlocks(each.blocks, view)
          : showPieces(parseMrkdwn(each.text ?? each.fallback ?? '', { verbatim: false }), view),
      );
      if (/^#[0-9a-f]{6}$/i.test(each.color ?? '')) node.style.borderLeftColor = each.color;
      return node;
    }),
  ];
}

function showMessage(message, replies, inThread) {
  const author = names.userName(message.userId, '');
  if (message.isTombstone)
    return frame(author, false, message.ts, null, ['This message was deleted.'], 'gone');
  const view = {
    ...names,
    key: message.ts,
    click: (click) =>
      call('/ui/click', { ...click, channel: message.channelId, ts: message.ts, user: page.user }),
  };
  const history = message.versions.length
    ? el(
        'button',
        { class: 'link-button', 'data-key': `history/${message.ts}`, onclick: () => showHistory(message) },
        message.versions.length === 1 ? '(edited)' : `(edited ${message.versions.length}×)`,
      )
    : null;
  return frame(
    author,
    message.botId !== null,
    message.ts,
    [message.isBroadcast ? el('span', { class: 'small' }, 'replied to a thread') : null, history],
    [
      content(message, view),
      message.reactions.length
        ? el(
            'div',
            { class: 'reactions' },
            message.reactions.map((each) =>
              el('span', {}, `${emojis[each.name] ?? each.name} ${each.users.length}`),
            ),
          )
        : null,
      message.failedClick
        ? el(
            'div',
            { class: 'failed', role: 'alert' },
            `⚠ The app did not answer this click (${message.failedClick}).`,
          )
        : null,
      inThread
        ? null
        : el(
            'button',
            {
              class: 'link-button',
              'data-key': `thread/${message.ts}`,
              onclick: () => {
                page.thread = { channel: message.channelId, ts: message.threadTs ?? message.ts };
                render();
              },
            },
            replies.length
              ? `${replies.length} ${replies.length === 1 ? 'reply' : 'replies'}`
              : message.threadTs
                ? 'View thread'
                : 'Open thread',
          ),
    ],
  );
}

function showEphemeral(message) {
  const isClient = message.origin === 'client';
  const view = {
    ...names,
    key: message.id,
    click: (click) => call('/ui/click', { ...click, ephemeralId: message.id, user: page.user }),
  };
  return frame(
    isClient ? 'Slackbot' : page.state.app.botName,
    !isClient,
    message.ts,
    el('span', { class: 'small' }, '👁 Only visible to you'),
    [
      content(message, view),
      el(
        'button',
        { class: 'link-button', onclick: () => call('/ui/dismiss', { id: message.id }) },
        'Dismiss message',
      ),
    ],
    'ephemeral',
  );
}

function showHistory(message) {
  const view = { ...names, key: 'history', click: async () => {} };
  const dialog = el(
    'dialog',
    { 'aria-label': 'Earlier versions' },
    el(
      'header',
      {},
      el('h2', {}, 'Earlier versions'),
      el('button', { class: 'btn', onclick: () => dialog.close() }, 'Close'),
    ),
    el(
      'div',
      { class: 'content', inert: true },
      message.versions.map((version) =>
        el(
          'section',
          {},
          el('p', { class: 'small' }, `until ${new Date(version.at).toLocaleTimeString()}`),
          content({ ...version, attachments: [] }, view),
          el('hr'),
        ),
      ),
    ),
  );
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function renderThread() {
  const pane = byId('thread');
  pane.hidden = !page.thread;
  if (!page.thread) return;
  const all = page.state.messages[page.thread.channel] ?? [];
  const channel = page.state.channels.find((each) => each.id === page.thread.channel);
  const shown = all
    .filter((each) => each.ts === page.thread.ts || each.threadTs === page.thread.ts)
    .map((each) => ({ ts: each.ts, node: cached(each, channel, all, true) }));
  const quiet = page.state.ephemerals
    .filter((each) => each.threadTs === page.thread.ts)
    .map((each) => ({ ts: each.ts, node: showEphemeral(each) }));
  arrange(
    byId('replies'),
    [...shown, ...quiet].toSorted((a, b) => (a.ts < b.ts ? -1 : 1)).map((each) => each.node),
  );
}

function renderLog() {
  byId('title').textContent = 'Log';
  byId('topic').textContent = 'What the app sent, what it was sent, and what was refused';
  const table = (title, head, rows) => [
    el('h2', {}, title),
    rows.length
      ? el(
          'table',
          {},
          el(
            'tr',
            {},
            head.map((each) => el('th', {}, each)),
          ),
          rows.map((row) =>
            el(
              'tr',
              {},
              row.map((cell) => el('td', {}, String(cell ?? ''))),
            ),
          ),
        )
      : el('p', { class: 'small' }, 'None.'),
  ];
  const time = (ms) => new Date(ms).toLocaleTimeString();
  byId('messages').replaceChildren(
    el(
      'div',
      { class: 'log' },
      table(
        'Refused or frowned upon',
        ['time', 'where', 'error', 'detail'],
        page.state.errors.toReversed().map((each) => [time(each.at), each.where, each.error, each.detail]),
      ),
      table(
        'Sent to the app',
        ['time', 'what', 'try', 'answer', 'ms'],
        page.state.deliveries
          .toReversed()
          .map((each) => [
            time(each.at),
            each.type,
            each.retry + 1,
            each.failure ?? each.status,
            Math.round(each.latencyMs),
          ]),
      ),
      table(
        'Calls by the app',
        ['time', 'method', 'answer', 'fault'],
        page.state.calls
          .toReversed()
          .map((each) => [time(each.at), each.method, each.error ?? each.status, each.fault]),
      ),
    ),
  );
  delete byId('messages').dataset.place;
}

/* Modals: built again only when the app changes them; what was typed stays where block_id and action_id stay. */
function renderModal() {
  const view = page.state.views.filter((each) => each.type === 'modal').at(-1);
  const key = view && view.id + view.hash;
  if (page.modal?.key === key) return;
  const kept = page.modal?.id === view?.id ? page.modal?.inputs : null;
  if (page.modal) {
    page.modal.isReplaced = true;
    page.modal.dialog.close();
    page.modal.dialog.remove();
    page.modal = null;
  }
  if (!view) return;
  const inputs = new Map();
  const context = {
    ...viewContext(view, () => entered(inputs)),
    showInput: (block) => showInput(block, inputs, kept),
  };
  const modal = { key, id: view.id, inputs, isReplaced: false };
  const { title, submit, close, blocks } = view.definition;
  const problem = el('p', { class: 'failed', role: 'alert' });
  const form = el(
    'form',
    { method: 'dialog', novalidate: true },
    el('header', {}, el('h2', {}, showText(title, names))),
    el('div', { class: 'content' }, problem, showBlocks(blocks, context)),
    el(
      'footer',
      {},
      el(
        'button',
        { class: 'btn', type: 'button', onclick: () => modal.dialog.close() },
        close ? showText(close, names) : 'Close',
      ),
      submit ? el('button', { class: 'btn primary', type: 'submit' }, showText(submit, names)) : null,
    ),
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const answer = await call('/ui/submit', { viewId: view.id, values: entered(inputs), user: page.user });
    problem.textContent = answer.errors?.[''] ?? '';
    for (const [blockId, input] of inputs) input.problem.textContent = answer.errors?.[blockId] ?? '';
  });
  modal.dialog = el('dialog', { 'aria-label': title.text }, form);
  modal.dialog.addEventListener('close', () => {
    if (!modal.isReplaced) void call('/ui/close-view', { viewId: view.id });
  });
  page.modal = modal;
  document.body.append(modal.dialog);
  modal.dialog.showModal();
}

function viewContext(view, values = () => ({})) {
  return {
    ...names,
    key: view.id,
    click: (click) => call('/ui/click', { ...click, viewId: view.id, values: values(), user: page.user }),
  };
}

function entered(inputs) {
  return Object.fromEntries(
    [...inputs].map(([blockId, input]) => [blockId, input.value()]).filter(([, value]) => value !== null),
  );
}

function showInput(block, inputs, kept) {
  const { element } = block;
  const before =
    kept?.get(block.block_id)?.actionId === element.action_id ? kept.get(block.block_id).value() : null;
  const problem = el('span', { class: 'failed', role: 'alert' });
  const label = el(
    'span',
    { class: 'label' },
    block.label.text,
    block.optional ? el('span', { class: 'small' }, ' (optional)') : null,
  );
  const hint = block.hint ? el('span', { class: 'small' }, block.hint.text) : null;
  const several = ['checkboxes', 'radio_buttons'].includes(element.type);
  let control;
  let value;
  if (several) {
    const initial =
      before ??
      (element.initial_options ?? [element.initial_option].filter(Boolean)).map((each) => each.value);
    const boxes = element.options.map((each) =>
      el('input', {
        type: element.type === 'checkboxes' ? 'checkbox' : 'radio',
        name: block.block_id,
        value: each.value,
        checked: [initial].flat().includes(each.value),
      }),
    );
    control = element.options.map((each, index) =>
      el('label', { class: 'option' }, boxes[index], ' ', each.text.text),
    );
    value = () => {
      const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
      return element.type === 'checkboxes' ? chosen : (chosen[0] ?? null);
    };
  } else {
    const people =
      element.type.endsWith('users_select') &&
      page.state.users
        .filter((user) => !user.isBot)
        .map((user) => ({ value: user.id, text: { text: user.realName } }));
    const places =
      /(channels|conversations)_select$/.test(element.type) &&
      page.state.channels
        .filter((each) => each.kind !== 'im')
        .map((each) => ({ value: each.id, text: { text: '#' + each.name } }));
    const options = people ||
      places || [
        ...(element.options ?? []),
        ...(element.option_groups ?? []).flatMap((group) => group.options),
      ];
    const initial =
      before ??
      element.initial_value ??
      element.initial_option?.value ??
      element.initial_user ??
      element.initial_date ??
      element.initial_time ??
      '';
    if (element.type.endsWith('select')) {
      const multiple = element.type.startsWith('multi_');
      control = el(
        'select',
        { multiple },
        multiple ? null : el('option', { value: '' }, element.placeholder?.text ?? 'Choose…'),
        options.map((each) =>
          el(
            'option',
            { value: each.value, selected: [initial].flat().includes(each.value) },
            each.text.text,
          ),
        ),
      );
      value = () =>
        multiple ? [...control.selectedOptions].map((each) => each.value) : control.value || null;
    } else {
      const types = {
        email_text_input: 'email',
        url_text_input: 'url',
        number_input: 'number',
        datepicker: 'date',
        timepicker: 'time',
      };
      control = element.multiline
        ? el('textarea', { placeholder: element.placeholder?.text })
        : el('input', { type: types[element.type] ?? 'text', placeholder: element.placeholder?.text });
      control.value = initial;
      value = () => control.value;
    }
  }
  inputs.set(block.block_id, { actionId: element.action_id, value, problem });
  return el(several ? 'fieldset' : 'label', { class: 'field' }, label, control, hint, problem);
}

byId('user').addEventListener('change', (event) => {
  page.user = event.target.value;
  page.thread = null;
  page.place = page.place === 'home' ? 'home' : page.state.channels[0].id;
  void refresh();
});
byId('close-thread').addEventListener('click', () => {
  page.thread = null;
  render();
});
byId('composer').addEventListener('submit', async (event) => {
  event.preventDefault();
  const input = byId('say');
  const text = input.value.trim();
  if (text === '') return;
  input.value = '';
  const [, command, rest] = /^(\/\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  if (command) await call('/ui/command', { command, text: rest, channel: page.place, user: page.user });
  else
    await call('/ui/say', {
      channel: page.place,
      text: text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
      user: page.user,
    });
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && page.thread && !document.querySelector('dialog[open]')) {
    page.thread = null;
    render();
  }
});

const source = new EventSource('/ui/events');
source.addEventListener('message', refresh);
source.addEventListener('open', () => {
  byId('live').textContent = '● live';
});
source.addEventListener('error', () => {
  byId('live').textContent = '○ not connected';
});

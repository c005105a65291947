/* Block Kit to elements. Everything goes through textContent and attributes: no HTML is ever built from text. */
const emojis = {
  fire: '🔥',
  warning: '⚠️',
  rotating_light: '🚨',
  white_check_mark: '✅',
  heavy_check_mark: '✔️',
  x: '❌',
  bell: '🔔',
  no_bell: '🔕',
  red_circle: '🔴',
  large_orange_circle: '🟠',
  large_yellow_circle: '🟡',
  large_green_circle: '🟢',
  large_blue_circle: '🔵',
  white_circle: '⚪',
  large_red_square: '🟥',
  eyes: '👀',
  mag: '🔍',
  link: '🔗',
  memo: '📝',
  hourglass: '⌛',
  clock3: '🕒',
  arrow_up: '⬆️',
  bar_chart: '📊',
  information_source: 'ℹ️',
  wave: '👋',
  bulb: '💡',
  ticket: '🎫',
  '+1': '👍',
  thumbsup: '👍',
  tada: '🎉',
  speech_balloon: '💬',
  zzz: '💤',
  boom: '💥',
};

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

function anchor(url, label) {
  const safe = safeUrl(url);
  return safe ? el('a', { href: safe, target: '_blank', rel: 'noopener noreferrer' }, label) : label;
}

function showPieces(pieces, view) {
  return pieces.map((piece) => {
    switch (piece.kind) {
      case 'text':
        return piece.text;
      case 'break':
        return el('br');
      case 'bold':
        return el('strong', {}, showPieces(piece.children, view));
      case 'italic':
        return el('em', {}, showPieces(piece.children, view));
      case 'strike':
        return el('s', {}, showPieces(piece.children, view));
      case 'quote':
        return el('blockquote', {}, showPieces(piece.children, view));
      case 'code':
        return el('code', {}, piece.text);
      case 'pre':
        return el('pre', {}, piece.text);
      case 'link':
        return anchor(piece.url, piece.label);
      case 'user':
        return el('span', { class: 'mention' }, '@' + view.userName(piece.id, piece.label));
      case 'channel':
        return el('span', { class: 'mention' }, '#' + view.channelName(piece.id, piece.label));
      case 'group':
        return el('span', { class: 'mention' }, piece.label || '@' + piece.id);
      case 'broadcast':
        return el('span', { class: 'mention' }, '@' + piece.name);
      case 'emoji':
        return emojis[piece.name] ?? `:${piece.name}:`;
      case 'date': {
        const shown = showDate(piece.seconds, piece.format, piece.fallback);
        return el('span', { title: piece.fallback }, piece.url ? anchor(piece.url, shown) : shown);
      }
    }
  });
}

function showDate(seconds, format, fallback) {
  try {
    return formatSlackDate(seconds, format, { nowMs: Date.now() });
  } catch {
    return fallback;
  }
}

function showText(text, view) {
  if (!text) return [];
  return showPieces(
    text.type === 'mrkdwn'
      ? parseMrkdwn(text.text, { verbatim: text.verbatim === true })
      : parsePlain(text.text),
    view,
  );
}

function showBlocks(blocks, view) {
  return blocks.map((block) => showBlock(block, view));
}

function showBlock(block, view) {
  switch (block.type) {
    case 'header':
      return el('h3', { class: 'block' }, showText(block.text, view));
    case 'divider':
      return el('hr', { class: 'block' });
    case 'section':
      return el(
        'div',
        { class: 'block section' },
        el(
          'div',
          {},
          showText(block.text, view),
          block.fields
            ? el(
                'div',
                { class: 'fields' },
                block.fields.map((field) => el('div', {}, showText(field, view))),
              )
            : null,
        ),
        block.accessory ? showElement(block.accessory, block, view) : null,
      );
    case 'context':
      return el(
        'div',
        { class: 'block context' },
        block.elements.map((each) =>
          el('span', {}, each.type === 'image' ? picture(each) : showText(each, view)),
        ),
      );
    case 'actions':
      return el(
        'div',
        { class: 'block actions' },
        block.elements.map((each) => showElement(each, block, view)),
      );
    case 'image':
      return el(
        'div',
        { class: 'block' },
        block.title ? el('div', { class: 'small' }, showText(block.title, view)) : null,
        picture(block),
      );
    case 'rich_text':
      return el(
        'div',
        { class: 'block' },
        block.elements.map((each) => showRich(each, view)),
      );
    case 'alert':
      return el('div', { class: 'block alert' }, showText(block.text, view));
    case 'markdown':
      return el('pre', { class: 'block' }, block.text);
    case 'table':
    case 'data_table':
      return el(
        'table',
        { class: 'block' },
        block.caption ? el('caption', {}, block.caption) : null,
        block.rows.map((row) =>
          el(
            'tr',
            {},
            row.map((cell) =>
              el(
                'td',
                {},
                cell.type === 'rich_text' ? cell.elements.map((each) => showRich(each, view)) : cell.text,
              ),
            ),
          ),
        ),
      );
    case 'container':
      return el(
        'details',
        { class: 'block', open: !block.default_collapsed },
        el('summary', {}, showText(block.title, view)),
        showBlocks(block.child_blocks, view),
      );
    case 'input':
      return view.showInput ? view.showInput(block) : el('div', { class: 'block small' }, '[input]');
    default:
      return el('div', { class: 'block small' }, `[${block.type}]`);
  }
}

function picture(image) {
  // Nothing is fetched from elsewhere: the alternative text stands for the picture.
  return el('span', { class: 'picture', role: 'img', 'aria-label': image.alt_text }, '🖼 ' + image.alt_text);
}

function showRich(part, view) {
  const words = (elements) =>
    elements.map((each) => {
      const style = each.style ?? {};
      let node;
      if (each.type === 'text') node = each.text;
      else if (each.type === 'link') node = anchor(each.url, each.text ?? each.url);
      else if (each.type === 'user')
        node = el('span', { class: 'mention' }, '@' + view.userName(each.user_id, ''));
      else if (each.type === 'channel')
        node = el('span', { class: 'mention' }, '#' + view.channelName(each.channel_id, ''));
      else if (each.type === 'broadcast') node = el('span', { class: 'mention' }, '@' + each.range);
      else if (each.type === 'emoji') node = emojis[each.name] ?? `:${each.name}:`;
      else if (each.type === 'date') node = showDate(each.timestamp, each.format, each.fallback ?? '');
      else node = `[${each.type}]`;
      if (style.code) node = el('code', {}, node);
      if (style.bold) node = el('strong', {}, node);
      if (style.italic) node = el('em', {}, node);
      if (style.strike) node = el('s', {}, node);
      return node;
    });
  switch (part.type) {
    case 'rich_text_list':
      return el(
        part.style === 'ordered' ? 'ol' : 'ul',
        {},
        part.elements.map((each) => el('li', {}, words(each.elements))),
      );
    case 'rich_text_quote':
      return el('blockquote', {}, words(part.elements));
    case 'rich_text_preformatted':
      return el('pre', {}, words(part.elements));
    default:
      return el('div', {}, words(part.elements));
  }
}

function showElement(element, block, view) {
  const click = (value) =>
    view.click(
      { actionId: element.action_id, blockId: block.block_id, ...(value === undefined ? {} : { value }) },
      element,
    );
  const key = `${view.key}/${element.action_id}`;
  if (element.type === 'image') return picture(element);
  if (element.type === 'button') {
    const button = el(
      'button',
      {
        class: `btn ${element.style ?? ''}`,
        type: 'button',
        'data-key': key,
        'aria-label': element.accessibility_label,
        title: element.url,
      },
      showText(element.text, view),
      element.url ? ' ↗' : null,
    );
    button.addEventListener('click', async () => {
      if (element.confirm && !(await askConfirm(element.confirm, view))) return;
      const url = element.url && safeUrl(element.url);
      if (url) window.open(url, '_blank', 'noopener');
      button.disabled = true;
      await click(undefined);
      button.disabled = false;
    });
    return button;
  }
  const options = [
    ...(element.options ?? []),
    ...(element.option_groups ?? []).flatMap((group) => group.options),
  ];
  if (options.length === 0) return el('span', { class: 'small' }, `[${element.type}]`);
  const label = element.type === 'overflow' ? '⋯' : (element.placeholder?.text ?? 'Choose…');
  const select = el(
    'select',
    {
      class: element.type === 'overflow' ? 'btn overflow' : 'btn',
      'data-key': key,
      'aria-label': element.type === 'overflow' ? 'More actions' : label,
    },
    el('option', { value: '' }, label),
    options.map((each) =>
      el(
        'option',
        { value: each.value, selected: element.initial_option?.value === each.value },
        each.text.text,
      ),
    ),
  );
  select.addEventListener('change', async () => {
    const { value } = select;
    if (value === '') return;
    if (element.type === 'overflow') select.value = '';
    if (element.confirm && !(await askConfirm(element.confirm, view))) return void (select.value = '');
    const url = options.find((each) => each.value === value)?.url;
    if (url && safeUrl(url)) window.open(safeUrl(url), '_blank', 'noopener');
    await click(value);
  });
  return select;
}

function askConfirm(confirm, view) {
  return new Promise((resolve) => {
    const dialog = el(
      'dialog',
      { 'aria-label': confirm.title.text },
      el('header', {}, el('h2', {}, showText(confirm.title, view))),
      el('div', { class: 'content' }, showText(confirm.text, view)),
      el(
        'footer',
        {},
        el(
          'button',
          { class: 'btn', type: 'button', onclick: () => dialog.close('no') },
          showText(confirm.deny, view),
        ),
        el(
          'button',
          { class: `btn ${confirm.style ?? 'primary'}`, type: 'button', onclick: () => dialog.close('yes') },
          showText(confirm.confirm, view),
        ),
      ),
    );
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

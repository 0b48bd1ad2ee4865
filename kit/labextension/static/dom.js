/* Builds elements one by one and never from markup, so that no text can become markup. */

let count = 0;

export function uniqueId(prefix) {
  count += 1;
  return `fl-${prefix}-${count}`;
}

/* Attributes that are null or false are left out; a function becomes a listener ("onclick"). */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      made.addEventListener(name.slice(2), value);
    } else if (value !== null && value !== false && value !== undefined) {
      made.setAttribute(name, value === true ? '' : value);
    }
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}

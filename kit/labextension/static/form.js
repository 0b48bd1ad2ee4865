/* The form as the user sees it: native elements only, so that keyboard, screen reader and zoom work by themselves. */

const { element, uniqueId } = await import(`./dom.js${new URL(import.meta.url).search}`);

export class Form {
  constructor({ title, description, onRun, onStop, onToggleCode }) {
    this.fields = new Map();
    this.running = false;
    const heading = uniqueId('title');
    this.errors = element('div', { class: 'fl-Form-errors', role: 'alert', tabindex: '-1', hidden: true });
    this.fieldset = element('fieldset', {}, element('legend', {}, 'Dine valg'));
    this.runButton = element('button', { type: 'submit', class: 'fl-Button fl-mod-primary' }, 'Kør');
    this.stopButton = element('button', { type: 'button', class: 'fl-Button', hidden: true, onclick: onStop }, 'Stop');
    this.codeButton = element(
      'button',
      { type: 'button', class: 'fl-Button', 'aria-expanded': 'false', onclick: onToggleCode },
      'Vis kode'
    );
    this.about = element('details', { class: 'fl-Form-about', hidden: true });
    this.bar = element('progress', { class: 'fl-Form-bar', hidden: true, 'aria-label': 'Kørslens fremdrift' });
    this.status = element('p', { class: 'fl-Form-status', role: 'status', tabindex: '-1' });
    const form = element(
      'form',
      { novalidate: true, autocomplete: 'off' },
      this.fieldset,
      element('div', { class: 'fl-Form-actions' }, this.runButton, this.stopButton, this.codeButton)
    );
    form.addEventListener('submit', event => {
      event.preventDefault();
      if (!this.running) {
        onRun();
      }
    });
    form.addEventListener('keydown', event => {
      // Enter in a closed list runs, as in every other field; Space and Alt+Down open it.
      if (event.key === 'Enter' && event.target.matches('select') && !isOpen(event.target)) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    this.node = element(
      'section',
      // JupyterLab's one-letter shortcuts (a, b, dd) must never answer to what is typed here.
      { class: 'fl-Form', lang: 'da', 'aria-labelledby': heading, 'data-lm-suppress-shortcuts': 'true' },
      element('h1', { id: heading, class: 'fl-Form-title' }, title),
      description ? element('p', { class: 'fl-Form-description' }, description) : null,
      this.about,
      this.errors,
      form,
      this.bar,
      this.status
    );
  }

  /* Show a field for each parameter; what the user has typed is kept where name and kind are the same. */
  setSchema(schema, values = {}) {
    const typed = this.values();
    const before = new Map(this.fields);
    const focused = document.activeElement?.name;
    this.fields.clear();
    const rows = schema.map(parameter => {
      const old = before.get(parameter.name);
      const keep = old?.touched && old.kind === parameter.kind;
      const value = keep ? typed[parameter.name] : (values[parameter.name] ?? parameter.default);
      const row = this._row(parameter, value);
      this.fields.get(parameter.name).touched = Boolean(keep);
      return row;
    });
    this.fieldset.replaceChildren(this.fieldset.firstElementChild, ...rows);
    if (focused && this.fields.has(focused) && !this.node.contains(document.activeElement)) {
      this.fields.get(focused).control.focus();
    }
  }

  /* Name -> text, or true/false for a tick. */
  values() {
    return Object.fromEntries(
      [...this.fields].map(([name, { control }]) => [
        name,
        control.type === 'checkbox' ? control.checked : control.value
      ])
    );
  }

  focusFirst() {
    (this.fields.values().next().value?.control ?? this.runButton).focus({ preventScroll: true });
  }

  /* Show what is wrong and move there: faults of a field are said at the field too, and a remedy is a button. */
  showErrors(heading, faults = [], remedy = null, { focus = true } = {}) {
    this.clearErrors();
    const items = faults.map(({ name, text }) => {
      const field = this.fields.get(name);
      if (!field) {
        return element('li', {}, text);
      }
      field.error.textContent = text;
      field.error.hidden = false;
      field.control.setAttribute('aria-invalid', 'true');
      const go = event => {
        event.preventDefault();
        field.control.focus();
      };
      return element('li', {}, element('a', { href: `#${field.control.id}`, onclick: go }, text));
    });
    this.errors.append(element('p', { class: 'fl-Form-errorHeading' }, heading));
    if (items.length) {
      this.errors.append(element('ul', {}, ...items));
    }
    if (remedy) {
      this.errors.append(element('button', { type: 'button', class: 'fl-Button', onclick: remedy.act }, remedy.label));
    }
    this.errors.hidden = false;
    this.status.textContent = '';
    if (focus) {
      this.errors.focus();
    }
  }

  clearErrors() {
    this.errors.replaceChildren();
    this.errors.hidden = true;
    for (const { control, error } of this.fields.values()) {
      error.textContent = '';
      error.hidden = true;
      control.removeAttribute('aria-invalid');
    }
  }

  setRunning(running) {
    this.running = running;
    // Not `disabled`: a disabled button would drop the keyboard focus to the page.
    this.runButton.setAttribute('aria-disabled', String(running));
    this.runButton.textContent = running ? 'Kører …' : 'Kør';
    this.stopButton.hidden = !running;
    this.bar.hidden = !running;
    if (running) {
      this.bar.removeAttribute('value');
    }
  }

  setProgress(done, all) {
    this.bar.max = all;
    this.bar.value = done;
    this.say(`Kører: ${Math.min(done + 1, all)} af ${all} celler`);
  }

  say(text, { done = false } = {}) {
    this.status.textContent = text;
    this.status.classList.toggle('fl-mod-done', done);
  }

  setCodeShown(shown) {
    this.codeButton.textContent = shown ? 'Skjul kode' : 'Vis kode';
    this.codeButton.setAttribute('aria-expanded', String(shown));
  }

  setAbout(rendered) {
    const summary = element('summary', {}, 'Om skabelonen: formål, data, hjemmel og begrænsninger');
    this.about.replaceChildren(summary, rendered);
    this.about.hidden = false;
  }

  _row(parameter, value) {
    const id = uniqueId('field');
    const hint = parameter.help ? element('p', { class: 'fl-Field-help', id: `${id}-help` }, parameter.help) : null;
    const error = element('p', { class: 'fl-Field-error', id: `${id}-error`, hidden: true });
    const control = makeControl(parameter, value);
    control.id = id;
    control.name = parameter.name;
    control.setAttribute('aria-describedby', [hint?.id, error.id].filter(Boolean).join(' '));
    const optional = parameter.optional && !parameter.required ? ' (kan være tom)' : '';
    const label = element('label', { for: id }, parameter.label + optional);
    const field = { control, error, kind: parameter.kind, touched: false };
    control.addEventListener('input', () => {
      field.touched = true;
    });
    this.fields.set(parameter.name, field);
    const tick = control.type === 'checkbox';
    const parts = tick
      ? [element('div', { class: 'fl-Field-tick' }, control, label), hint, error]
      : [label, hint, error, control];
    return element('div', { class: 'fl-Field' }, ...parts);
  }
}

function isOpen(select) {
  try {
    return select.matches(':open');
  } catch {
    return false; // a browser that does not know the word
  }
}

function makeControl(parameter, value) {
  const text = Array.isArray(value) ? value.join('; ') : String(value ?? '');
  if (parameter.options?.length) {
    const empty = parameter.optional || value === null || value === undefined ? [['', 'Vælg …']] : [];
    const options = [...empty, ...parameter.options].map(([code, shown]) =>
      element('option', { value: code, selected: String(code) === text }, shown)
    );
    return element('select', {}, ...options);
  }
  switch (parameter.kind) {
    case 'flag':
      return element('input', { type: 'checkbox', checked: value === true || text === 'true' });
    case 'date':
      return element('input', { type: 'date', value: text });
    // Not type="number": it takes no decimal comma in an English browser and hides what was typed wrong.
    case 'integer':
      return element('input', { type: 'text', inputmode: 'numeric', value: text });
    case 'decimal':
      return element('input', { type: 'text', inputmode: 'decimal', value: text.replace('.', ',') });
    default:
      return element('input', { type: 'text', value: text });
  }
}

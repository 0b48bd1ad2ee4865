/* One template notebook shown as a form: fills it from the parameters cell, runs the cells, shows the result. */

const { ask, KernelMissing } = await import(`./kernel.js${new URL(import.meta.url).search}`);
const { Form } = await import(`./form.js${new URL(import.meta.url).search}`);

const PARAMETERS = 'parameters';
const INJECTED = 'injected-parameters';
const FOLDED = 'fl-mod-folded';
const TEMPLATE = 'fl-mod-template';
const NOT_RUN = 'fl-mod-not-run';
const EDIT_PAUSE_MS = 400;
const OWN_SENTENCE = /\(FL-[A-Z][0-9]{3}\)$/;

export class TemplateView {
  static fits(panel) {
    return Boolean(metadata(panel)?.schema) && cells(panel).some(cell => tags(cell).includes(PARAMETERS));
  }

  constructor({ app, panel }) {
    this.app = app;
    this.panel = panel;
    const about = metadata(panel);
    this.form = new Form({
      title: about.title || panel.title.label,
      description: about.description,
      onRun: () => this.run(),
      onStop: () => this.panel.sessionContext.session?.kernel?.interrupt(),
      onToggleCode: () => this.toggleCode()
    });
    this.form.setSchema(about.schema);
    this._shown = JSON.stringify({ schema: about.schema, values: {} });
    this._place();
    this._showAbout();
    this._fold(true);
    const hasRun = cells(panel).some(cell => cell.model.type === 'code' && cell.model.outputs.length > 0);
    panel.node.classList.toggle(NOT_RUN, !hasRun);
    this._follow();
    this._focusWhenShown();
  }

  toggleCode() {
    this._fold(!this.panel.node.classList.contains(FOLDED));
  }

  /* Check the values in the kernel, put them in the notebook and run every code cell in order. */
  async run() {
    const { form, panel } = this;
    form.clearErrors();
    form.setRunning(true);
    form.say('Kontrollerer dine valg …');
    try {
      // JupyterLab looks for ended kernels only now and then; here it must be known.
      await this.app.serviceManager.sessions.refreshRunning();
      const checked = await ask(panel.sessionContext, 'form', 'check', { source: this._source(), given: form.values() });
      if (checked.faults) {
        const one = checked.faults.length === 1;
        form.showErrors(one ? 'Der er ét valg, du skal rette:' : `Der er ${checked.faults.length} valg, du skal rette:`, checked.faults);
        return;
      }
      inject(panel, checked.source);
      if (await this._runCells()) {
        await this._showResult();
      }
    } catch (error) {
      this._explain(error);
    } finally {
      form.setRunning(false);
    }
  }

  async _runCells() {
    const { form, panel } = this;
    const todo = cells(panel).filter(cell => cell.model.type === 'code');
    todo.forEach(cell => cell.model.clearExecution());
    panel.node.classList.remove(NOT_RUN);
    for (const [done, cell] of todo.entries()) {
      form.setProgress(done, todo.length);
      // The class of a code cell carries the function that runs it, so the package need not be loaded for it.
      const reply = await cell.constructor.execute(cell, panel.sessionContext, { deletedCells: panel.content.model.deletedCells });
      const content = reply?.content;
      if (content && content.status !== 'ok') {
        form.showErrors(sentence(content, done + 1, todo.length));
        return false;
      }
    }
    form.setProgress(todo.length, todo.length);
    return true;
  }

  async _showResult() {
    const { form, panel } = this;
    form.say('Færdig. Resultatet står herunder.', { done: true });
    form.status.focus({ preventScroll: true });
    form.status.scrollIntoView({ block: 'start' });
    if (!panel.context.model.readOnly) {
      await panel.context.save().catch(console.warn);
    }
  }

  _explain(error) {
    console.warn(error);
    if (error instanceof KernelMissing) {
      const start = async () => {
        this.form.clearErrors();
        this.form.say('Starter kernen …');
        await this.panel.sessionContext.changeKernel({ name: 'python3' });
        await this._refresh();
        this.form.say('Kernen er startet. Tryk på Kør.');
        this.form.focusFirst();
      };
      const act = () => start().catch(failure => this._explain(failure));
      this.form.showErrors('Notesbogen har ingen kerne (den del, der regner), så intet kan køres.', [], { label: 'Start kernen', act });
    } else if (/Canceled|disposed/.test(error.message)) {
      this.form.showErrors('Kernen stoppede undervejs, så der er intet resultat. Det kan skyldes for lidt hukommelse. Prøv igen, eller vælg færre data.');
    } else if (/No module named 'faelleslab/.test(error.message)) {
      this.form.showErrors('Kernen mangler pakken faelleslab, så formularen kan ikke bruges her. Vælg en anden kerne, eller kontakt it-drift.');
    } else {
      this.form.showErrors('Kørslen gik i stå af en ukendt grund. Gem, genindlæs siden og prøv igen.');
    }
  }

  _source() {
    return cells(this.panel).find(cell => tags(cell).includes(PARAMETERS))?.model.sharedModel.getSource() ?? '';
  }

  /* The form lies inside the scrolled part of the notebook, so that it never covers the result at 200 % zoom. */
  _place() {
    const { node } = this.form;
    this.panel.content.outerNode.prepend(node);
    // The notebook moves the focus to a cell when anything but a cell receives it, and drags cells on mousedown.
    const events = ['focusin', 'focusout', 'keydown', 'keyup', 'keypress', 'mousedown', 'mouseup', 'click', 'dblclick', 'contextmenu'];
    for (const type of events) {
      node.addEventListener(type, event => event.stopPropagation());
    }
    node.addEventListener('keydown', event => this._saveOnShortcut(event));
    this.panel.content.node.addEventListener('keydown', event => this._saveOnShortcut(event));
    this.panel.disposed.connect(() => clearTimeout(this._pause));
  }

  /* Shortcuts are off while the code is folded; saving is the one everybody knows. */
  _saveOnShortcut(event) {
    const folded = this.panel.node.classList.contains(FOLDED);
    if ((event.ctrlKey || event.metaKey) && event.key === 's' && (folded || this.form.node.contains(event.target))) {
      event.preventDefault();
      this.panel.context.save().catch(console.warn);
    }
  }

  /* The first text cell says purpose, data, basis and limits: it is moved into the form as a fold-out. */
  _showAbout() {
    const first = cells(this.panel)[0];
    if (first?.model.type !== 'markdown') {
      return;
    }
    first.addClass('fl-mod-about');
    const renderer = this.panel.content.rendermime.createRenderer('text/markdown');
    const source = first.model.sharedModel.getSource().replace(/^# .*\n/, '');
    const model = this.panel.content.rendermime.createModel({ data: { 'text/markdown': source }, trusted: false });
    renderer.renderModel(model).then(() => this.form.setAbout(renderer.node), console.warn);
  }

  _fold(folded) {
    this.panel.node.classList.add(TEMPLATE);
    this.panel.node.classList.toggle(FOLDED, folded);
    this.panel.toolbar.setHidden(folded);
    // Folded cells must not be cut or split by a letter pressed after the run.
    this.panel.content.node.toggleAttribute('data-lm-suppress-shortcuts', folded);
    this.form.setCodeShown(!folded);
  }

  /* Ask the kernel again when it is new and when the parameters cell was edited. */
  _follow() {
    const { sessionContext, content } = this.panel;
    let fresh = false;
    const once = () => {
      if (!fresh && sessionContext.session?.kernel) {
        fresh = true;
        this._refresh();
      }
    };
    sessionContext.kernelChanged.connect(() => {
      fresh = false;
    });
    sessionContext.statusChanged.connect((_, status) => {
      if (status === 'idle') {
        once();
      } else if (status !== 'busy') {
        fresh = false;
      }
    });
    sessionContext.ready.then(once, console.warn);
    content.model.sharedModel.changed.connect(() => {
      clearTimeout(this._pause);
      this._pause = setTimeout(() => {
        if (!this.form.running && this._source() !== this._seen) {
          this._refresh();
        }
      }, EDIT_PAUSE_MS);
    });
    this._seen = this._source();
  }

  async _refresh() {
    const injected = cells(this.panel).find(cell => tags(cell).includes(INJECTED))?.model.sharedModel.getSource() ?? '';
    const source = this._source();
    this._seen = source;
    try {
      const answer = await ask(this.panel.sessionContext, 'form', 'describe', { source, injected });
      const shown = JSON.stringify(answer);
      if (this.form.running || shown === this._shown) {
        return;
      }
      this._shown = shown;
      if (answer.fault) {
        this.form.showErrors(answer.fault, [], null, { focus: false });
      } else {
        this.form.clearErrors();
        this.form.setSchema(answer.schema, answer.values);
      }
    } catch (error) {
      console.warn(error); // the form made at build time stays; "Kør" says what is wrong
    }
  }

  async _focusWhenShown() {
    await this.panel.revealed;
    await this.app.restored;
    // The panel focuses its active cell when it is activated, which may come in the next turns of the event loop.
    for (let turn = 0; turn < 3; turn += 1) {
      await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
    }
    if (this.panel.isVisible && !document.querySelector('.jp-Dialog')) {
      this.form.focusFirst();
    }
  }
}

function metadata(panel) {
  return panel.content.model?.getMetadata('faelleslab');
}

function cells(panel) {
  return [...panel.content.widgets];
}

function tags(cell) {
  const found = cell.model.getMetadata('tags');
  return cell.model.type === 'code' && Array.isArray(found) ? found : [];
}

/* Papermill's convention: one cell tagged injected-parameters, straight after the parameters cell. */
function inject(panel, source) {
  const notebook = panel.content.model.sharedModel;
  notebook.transact(() => {
    for (let i = cells(panel).length - 1; i >= 0; i -= 1) {
      if (tags(cells(panel)[i]).includes(INJECTED)) {
        notebook.deleteCell(i);
      }
    }
    const position = cells(panel).findIndex(cell => tags(cell).includes(PARAMETERS));
    notebook.insertCell(position + 1, {
      cell_type: 'code',
      source,
      metadata: { tags: [INJECTED], trusted: true, jupyter: { source_hidden: true } },
      outputs: []
    });
  });
}

function sentence({ ename, evalue, status }, step, all) {
  if (OWN_SENTENCE.test(evalue ?? '')) {
    return evalue;
  }
  if (ename === 'KeyboardInterrupt' || status === 'aborted') {
    return 'Kørslen er stoppet. Der er intet færdigt resultat.';
  }
  return (
    `Trin ${step} af ${all} gik galt, og kørslen er stoppet. Vælg »Vis kode« for at se hvor, ` +
    'eller send notesbogen til den, der vedligeholder skabelonen.'
  );
}

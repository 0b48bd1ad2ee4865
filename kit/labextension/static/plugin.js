/* The plugin: watches notebooks as they open, and offers the templates in the launcher. */

const FOLDER = 'skabeloner';
const OPEN = 'faelleslab:open-template';
const TOGGLE = 'faelleslab:toggle-code';

/* `shared` gives a package of JupyterLab's; `search` keeps the versions of the modules together. */
export async function plugin(shared, search) {
  const [notebook, widgets, apputils, launcher] = await Promise.all(
    ['@jupyterlab/notebook', '@lumino/widgets', '@jupyterlab/apputils', '@jupyterlab/launcher'].map(shared)
  );
  const { TemplateView } = await import(`./template.js${search}`);
  const { describePictures, offerFiles } = await import(`./outputs.js${search}`);
  const views = new WeakMap();

  function watch(app, panel) {
    const tools = { app, panel, Widget: widgets.Widget };
    describePictures(tools);
    offerFiles(tools);
    panel.context.ready.then(() => {
      if (!panel.isDisposed && TemplateView.fits(panel)) {
        views.set(panel, new TemplateView(tools));
      }
    });
  }

  function activate(app, tracker, palette, cards) {
    tracker.forEach(panel => watch(app, panel));
    tracker.widgetAdded.connect((_, panel) => watch(app, panel));
    const current = () => tracker.currentWidget && views.get(tracker.currentWidget);
    app.commands.addCommand(TOGGLE, {
      label: 'Vis eller skjul kode',
      isEnabled: () => Boolean(current()),
      execute: () => current()?.toggleCode()
    });
    app.commands.addCommand(OPEN, {
      label: args => args.label || 'Åbn skabelon',
      caption: args => args.description || 'Åbner skabelonen som en formular',
      execute: args => args.path && app.commands.execute('docmanager:open', { path: args.path })
    });
    palette?.addItem({ command: TOGGLE, category: 'Fælleslab' });
    app.restored.then(() => offerTemplates(app, palette, cards)).catch(console.warn);
  }

  return {
    id: 'faelleslab:plugin',
    description: 'Skabeloner åbner som en formular.',
    autoStart: true,
    requires: [notebook.INotebookTracker],
    optional: [apputils.ICommandPalette, launcher.ILauncher],
    activate
  };
}

/* One card per template in the user's own folder; without the folder there is nothing to offer. */
async function offerTemplates(app, palette, cards) {
  const contents = app.serviceManager.contents;
  const folder = await contents.get(FOLDER).catch(() => null);
  const files = (folder?.content ?? []).filter(item => item.type === 'notebook').map(item => item.path);
  for (const [rank, path] of files.sort().entries()) {
    const found = await contents.get(path).catch(() => null);
    const about = found?.content?.metadata?.faelleslab;
    if (!about?.title) {
      continue;
    }
    const args = { path, label: about.title, description: about.description ?? '' };
    cards?.add({ command: OPEN, args, category: 'Skabeloner', rank });
    palette?.addItem({ command: OPEN, args, category: 'Skabeloner' });
  }
}

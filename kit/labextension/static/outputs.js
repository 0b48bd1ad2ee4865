/* What a run shows: pictures with their alternative text, and the buttons that save a table. */

const { element } = await import(`./dom.js${new URL(import.meta.url).search}`);
const { ask, KernelMissing } = await import(`./kernel.js${new URL(import.meta.url).search}`);

const PICTURES = ['image/png', 'image/jpeg', 'image/svg+xml'];
const OFFER = 'application/vnd.faelleslab.offer+json';
const FIRST = -100;

/* JupyterLab gives a picture no alternative text; the kit sends one as metadata, and here it becomes `alt`. */
export function describePictures({ panel }) {
  const { rendermime } = panel.content;
  for (const type of PICTURES) {
    const original = rendermime.getFactory(type);
    if (!original) {
      continue;
    }
    const createRenderer = options => {
      const renderer = original.createRenderer(options);
      const render = renderer.renderModel.bind(renderer);
      renderer.renderModel = async model => {
        await render(model);
        const alt = model.metadata?.[type]?.alt;
        const image = renderer.node.querySelector('img');
        if (image && typeof alt === 'string') {
          image.alt = alt;
        }
      };
      return renderer;
    };
    rendermime.addFactory({ safe: original.safe, mimeTypes: [type], createRenderer }, rendermime.getRank?.(type) ?? 90);
  }
}

/* The output of `offer_files`: one button per file format. The kernel holds the table, so it also does the saving. */
export function offerFiles({ app, panel, Widget }) {
  panel.content.rendermime.addFactory(
    {
      safe: true,
      mimeTypes: [OFFER],
      createRenderer: () => {
        const widget = new Widget();
        widget.renderModel = async model => {
          widget.node.replaceChildren(offerNode(app, panel, model.data[OFFER]));
        };
        return widget;
      }
    },
    FIRST
  );
}

function offerNode(app, panel, offer) {
  const status = element('p', { class: 'fl-Offer-status', role: 'status' });
  const buttons = offer.formats.map(({ format, label }) =>
    element('button', { type: 'button', class: 'fl-Button', onclick: () => save(app, panel, offer, format, status) }, label)
  );
  return element(
    'section',
    { class: 'fl-Offer', lang: 'da', 'aria-label': 'Gem resultatet', 'data-lm-suppress-shortcuts': 'true' },
    element('p', { class: 'fl-Offer-text' }, offer.text),
    element('div', { class: 'fl-Form-actions' }, ...buttons),
    status
  );
}

async function save(app, panel, offer, format, status) {
  status.replaceChildren('Gemmer …');
  try {
    const answer = await ask(panel.sessionContext, 'files', 'save_offer', { offer: offer.id, file_format: format });
    if (answer.fault) {
      status.replaceChildren(answer.fault);
      return;
    }
    const folder = panel.context.path.split('/').slice(0, -1);
    const path = [...folder, ...answer.path.split('/')].join('/');
    const link = element('a', { href: await app.serviceManager.contents.getDownloadUrl(path), download: '' }, 'Hent filen');
    status.replaceChildren(`Gemt som ${answer.path} (${answer.size}). `, link);
  } catch (error) {
    console.warn(error);
    status.replaceChildren(
      error instanceof KernelMissing
        ? 'Notesbogen har ingen kerne, så tabellen er her ikke mere. Tryk på Kør øverst, og gem igen.'
        : 'Filen kunne ikke gemmes. Tryk på Kør øverst, og gem igen.'
    );
  }
}

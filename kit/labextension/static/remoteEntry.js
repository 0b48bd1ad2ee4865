/* The container in which JupyterLab looks for this extension.
 *
 * JupyterLab's federated extensions are module-federation containers: an object with `init(shareScope)` and
 * `get(module)`. A build tool usually writes it; by hand it is these lines, so what runs in the browser is what
 * stands in the repository. The real modules are plain ES modules beside this file.
 *
 * `?v=` in package.json is a hash of these files (a test keeps it right): the server lets browsers keep a file with
 * `v` for ever, and a new version has a new address. It is handed on to the modules beside this one.
 */
(() => {
  const here = new URL(document.currentScript.src);
  const beside = name => new URL(name, here).href + here.search;
  let shareScope;

  /* JupyterLab's own copy of a package: tokens are compared by identity, so it must be the very same module. */
  async function shared(name) {
    const versions = shareScope?.[name];
    if (!versions) {
      throw new Error(`faelleslab: JupyterLab shares no ${name}`);
    }
    const factory = await Object.values(versions)[0].get();
    return factory();
  }

  const modules = {
    './extension': async () => {
      const { plugin } = await import(beside('plugin.js'));
      return { __esModule: true, default: await plugin(shared, here.search) };
    },
    './style': async () => {
      const link = document.createElement('link');
      link.rel = 'stylesheet';
      link.href = beside('style.css');
      document.head.append(link);
      return {};
    }
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB.faelleslab = {
    init: scope => {
      shareScope = scope;
    },
    get: async name => {
      if (!modules[name]) {
        throw new Error(`faelleslab: there is no module ${name}`);
      }
      const made = await modules[name]();
      return () => made;
    }
  };
})();

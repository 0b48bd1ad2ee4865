/* Questions to the kit in the notebook's kernel. The kit answers with JSON; nothing is written in the notebook. */

const CONNECT_S = 30;

export class KernelMissing extends Error {}

/* Call `faelleslab.ui.<module>.<name>(**named)` in the kernel and return its answer.
 *
 * The values travel as one JSON text inside one Python string literal, so no value can become code.
 */
export async function ask(sessionContext, module, name, named) {
  const kernel = await readyKernel(sessionContext);
  const literal = JSON.stringify(JSON.stringify(named));
  const call = `__import__('importlib').import_module('faelleslab.ui.${module}').${name}(**__import__('json').loads(${literal}))`;
  const future = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    user_expressions: { answer: call }
  });
  const reply = (await future.done).content;
  const answer = reply.user_expressions?.answer;
  if (reply.status !== 'ok' || answer?.status !== 'ok' || !answer.data['application/json']) {
    throw new Error(answer?.evalue || reply.evalue || 'the kernel gave no answer');
  }
  return answer.data['application/json'];
}

async function readyKernel(sessionContext) {
  await sessionContext.ready;
  const kernel = sessionContext.session?.kernel;
  if (!kernel || kernel.status === 'dead') {
    throw new KernelMissing();
  }
  await connected(kernel);
  await kernel.info;
  return kernel;
}

/* A question to a kernel that is gone would wait for ever. */
function connected(kernel) {
  if (kernel.connectionStatus === 'connected') {
    return Promise.resolve();
  }
  return new Promise((resolve, reject) => {
    const settle = act => {
      clearTimeout(timer);
      kernel.connectionStatusChanged.disconnect(listen);
      kernel.disposed.disconnect(gone);
      act();
    };
    const listen = (_, status) => status === 'connected' && settle(resolve);
    const gone = () => settle(() => reject(new KernelMissing()));
    const timer = setTimeout(gone, CONNECT_S * 1000);
    kernel.connectionStatusChanged.connect(listen);
    kernel.disposed.connect(gone);
  });
}

import { BindingError } from '../../shared/errors.ts';
import { DAEMON_SET } from './api.ts';
import { type AgentTemplate, NAMESPACE, templateOf } from './job.ts';
import { get, requireReply } from './kubectl.ts';
import { parseReply } from './objects.ts';

const MAX_SIZE = 1024 * 1024; // bytes

/** Reads the template of the agent's pods. @throws {BindingError} NOT_ALLOWED, IO_FAILURE */
export async function readTemplate(): Promise<AgentTemplate> {
  const what = `read DaemonSet "${NAMESPACE}/tapwire"`;
  const reply = await get(DAEMON_SET, MAX_SIZE);
  if (!reply.isOk && reply.kind === 'missing') {
    throw new BindingError('IO_FAILURE', `Cannot ${what}: ${reply.reason}; deploy Tapwire to this cluster`);
  }
  const template = templateOf(parseReply(what, requireReply(what, reply)));
  if (template.image !== '') return template;
  throw new BindingError('INVALID_CONFIG', `Cannot ${what}: want a container "agent" with an image`);
}

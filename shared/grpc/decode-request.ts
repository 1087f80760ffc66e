import { BinaryReader } from '@bufbuild/protobuf/wire';
import { BindingError, messageOf } from '../errors.ts';

/** A message type of the generated code. */
interface MessageType<Message> {
  decode(reader: BinaryReader): Message;
}

/**
 * Decodes the message of a request. Skips unknown fields. Values of type `bytes` are views into
 * `message`, not copies.
 *
 * @param what names the request in the error
 * @throws {BindingError} INVALID_REQUEST if the bytes are not a protobuf message
 */
export function decodeRequest<Message>(
  type: MessageType<Message>,
  message: Uint8Array,
  what = 'hook request',
): Message {
  try {
    const reader = new BinaryReader(message);
    const decoded = type.decode(reader);
    // The generated code stops without an error at a tag of 0, and at the end tag of a group that
    // was not started. Neither is valid.
    if (reader.pos !== reader.len) throw new RangeError(`no field starts at byte ${reader.pos - 1}`);
    return decoded;
  } catch (cause) {
    throw new BindingError('INVALID_REQUEST', `Cannot read ${what}: ${messageOf(cause)}`, { cause });
  }
}

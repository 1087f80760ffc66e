import { openRtnetlink } from '../shared/netns/netns.ts';
import { allLinks, type Link } from '../shared/rtnetlink/link.ts';

/** The links of the netns that we run in, the pod's. Needs no privilege. @throws {BindingError} KERNEL_REFUSED */
export async function readLinks(): Promise<readonly Link[]> {
  const rtnetlink = openRtnetlink(null);
  try {
    const [links] = await rtnetlink.ask(allLinks);
    return links;
  } finally {
    await rtnetlink.close();
  }
}

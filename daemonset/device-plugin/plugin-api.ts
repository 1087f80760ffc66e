/**
 * The device plugin API: requests and responses, without the transport.
 *
 * Source: kubernetes staging/src/k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1
 */
import { BindingError } from '../../shared/errors.ts';
import { decodeRequest } from '../../shared/grpc/decode-request.ts';
import {
  AllocateRequest,
  AllocateResponse,
  type Device,
  DevicePluginOptions,
  Empty,
  ListAndWatchResponse,
  PreferredAllocationRequest,
  PreferredAllocationResponse,
  PreStartContainerRequest,
  PreStartContainerResponse,
  RegisterRequest,
} from '../../shared/grpc/device-plugin_pb.ts';
import { readDeviceId } from '../../shared/kubelet/device-id.ts';
import { preferredDevices } from './preferred.ts';

export const REGISTER = '/v1beta1.Registration/Register';
export const LIST_AND_WATCH = '/v1beta1.DevicePlugin/ListAndWatch';
const VERSION = 'v1beta1';
const OPTIONS: DevicePluginOptions = { preStartRequired: false, getPreferredAllocationAvailable: true };
const REQUEST = 'device plugin request';

/** The resource that a plugin serves, as its methods see it. */
export interface Offer {
  /** Full name. */
  readonly resource: string;
  devices(): readonly Device[];
  /** Called with the number of devices that were allocated. */
  onAllocate(count: number): void;
}

/** A unary method: the bytes of its response. @throws {BindingError} INVALID_REQUEST */
export type Method = (request: Uint8Array) => Uint8Array;

export function encodeRegisterRequest(resourceName: string, endpoint: string): Uint8Array {
  return RegisterRequest.encode({ version: VERSION, endpoint, resourceName, options: OPTIONS }).finish();
}

export const encodeDevices = (devices: readonly Device[]): Uint8Array =>
  ListAndWatchResponse.encode({ devices: [...devices] }).finish();

/** The unary methods of a resource's plugin, by path. */
export function methodsOf(offer: Offer): ReadonlyMap<string, Method> {
  const methods: Readonly<Record<string, Method>> = {
    GetDevicePluginOptions(request) {
      decodeRequest(Empty, request, REQUEST);
      return DevicePluginOptions.encode(OPTIONS).finish();
    },
    GetPreferredAllocation(request) {
      const { containerRequests } = decodeRequest(PreferredAllocationRequest, request, REQUEST);
      const containerResponses = containerRequests.map((one) => ({ deviceIds: [...preferredDevices(one)] }));
      return PreferredAllocationResponse.encode({ containerResponses }).finish();
    },
    Allocate: (request) => allocate(offer, request),
    PreStartContainer(request) {
      decodeRequest(PreStartContainerRequest, request, REQUEST);
      return PreStartContainerResponse.encode({}).finish();
    },
  };
  return new Map(Object.entries(methods).map(([name, method]) => [`/v1beta1.DevicePlugin/${name}`, method]));
}

/** Creates nothing: kubelet replays the response for as long as the pod exists. */
function allocate({ resource, devices, onAllocate }: Offer, request: Uint8Array): Uint8Array {
  const { containerRequests } = decodeRequest(AllocateRequest, request, REQUEST);
  const known = new Set(devices().map(({ id }) => id));
  const containerResponses = containerRequests.map(({ devicesIds }) => ({
    devices: devicesIds.map((id) => {
      const ifindex = known.has(id) ? readDeviceId(id)?.ifindex : undefined;
      if (ifindex === undefined) {
        const shown = JSON.stringify(id.slice(0, MAX_ID_SHOWN));
        throw new BindingError(
          'INVALID_REQUEST',
          `Cannot allocate device ${shown}: "${resource}" has no such device now; the pod must be created again`,
        );
      }
      const path = `/dev/tap${ifindex}`;
      return { containerPath: path, hostPath: path, permissions: 'rw' };
    }),
  }));
  onAllocate(containerRequests.reduce((sum, { devicesIds }) => sum + devicesIds.length, 0));
  return AllocateResponse.encode({ containerResponses }).finish();
}

/** Characters of an unknown id in an error. */
const MAX_ID_SHOWN = 63;

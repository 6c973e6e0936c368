import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import protobuf from "protobufjs/light";
import descriptor from "./etcd_protocol.json" with { type: "json" };
import { decoderOf } from "./message_decoder.ts";

const SERVICES = ["KV", "Watch", "Lease", "Cluster", "Maintenance"];

const root = protobuf.Root.fromJSON(
  descriptor as unknown as protobuf.INamespace,
);

/** The response types of all methods. */
const METHODS = SERVICES.flatMap((service) =>
  root.lookupService(`etcdserverpb.${service}`).methodsArray.map(
    ({ name, responseType }) => ({
      name: `${service}.${name}`,
      type: root.lookupType(`etcdserverpb.${responseType}`),
    }),
  )
);

/** What etcd3's types say of messages, made by the library's own way. */
function readSlowly(type: protobuf.Type, bytes: Uint8Array): object {
  return type.toObject(type.decode(bytes), {
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
}

/** Any message of a type, as it may be given to be encoded. */
function messages(
  type: protobuf.Type,
  depth = 3,
): fc.Arbitrary<Record<string, unknown>> {
  const fields = type.fieldsArray.flatMap((field) => {
    field.resolve();
    const { resolvedType } = field;
    if (resolvedType instanceof protobuf.Type && depth === 0) return [];
    const one = resolvedType instanceof protobuf.Type
      ? messages(resolvedType, depth - 1)
      : resolvedType instanceof protobuf.Enum
      ? fc.constantFrom(...Object.values(resolvedType.values), 99)
      : scalars(field.type);
    const value = field.repeated ? fc.array(one, { maxLength: 3 }) : one;
    return [[field.name, value] as const];
  });
  return fc.record(Object.fromEntries(fields), { requiredKeys: [] });
}

function scalars(type: string): fc.Arbitrary<unknown> {
  const [MIN, MAX] = [-(2n ** 63n), 2n ** 63n - 1n];
  switch (type) {
    case "bytes":
      return fc.uint8Array({ maxLength: 40 }).map((some) => Buffer.from(some));
    case "string":
      return fc.string({ unit: "grapheme" });
    case "bool":
      return fc.boolean();
    case "int32":
      return fc.integer();
    case "uint32":
      return fc.nat();
    case "int64":
      return fc.oneof(fc.integer(), fc.bigInt(MIN, MAX)).map(String);
    default:
      return fc.oneof(fc.nat(), fc.bigInt(0n, 2n * MAX + 1n)).map(String);
  }
}

Deno.test("decoderOf() reads every answer of etcd as the library does", () => {
  for (const { name, type } of METHODS) {
    const decode = decoderOf(type);
    fc.assert(
      fc.property(messages(type), (message) => {
        const bytes = type.encode(type.fromObject(message)).finish();
        deepStrictEqual(decode(bytes), readSlowly(type, bytes), name);
      }),
      { numRuns: 50 },
    );
  }
  strictEqual(METHODS.length > 20, true);
});

Deno.test("decoderOf() leaves fields out that a newer etcd adds", () => {
  const type = root.lookupType("etcdserverpb.RangeResponse");
  const newer = protobuf.Root.fromJSON(root.toJSON());
  const added = newer.lookupType("etcdserverpb.RangeResponse");
  added.add(new protobuf.Field("later", 20, "string"));
  added.add(new protobuf.Field("number", 21, "fixed64"));
  const bytes = added.encode({ later: "x", number: 5, count: 3 }).finish();
  deepStrictEqual(decoderOf(type)(bytes), {
    header: null,
    kvs: [],
    more: false,
    count: "3",
  });
});

Deno.test("decoderOf() refuses a type with a field that it cannot read", () => {
  const type = new protobuf.Type("Strange")
    .add(new protobuf.Field("numbers", 1, "int64", "repeated"));
  throws(() => decoderOf(type), /Cannot decode .*Strange\.numbers/);
});

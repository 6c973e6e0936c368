import { strictEqual } from "node:assert/strict";
import { messagesBetween, parseEtcdMetrics } from "./etcd_metrics.ts";

function page(txn: number, keepAlive: number): string {
  return `# TYPE grpc_server_msg_received_total counter
grpc_server_msg_received_total{grpc_method="LeaseKeepAlive",grpc_service="etcdserverpb.Lease",grpc_type="bidi_stream"} ${keepAlive}
grpc_server_msg_received_total{grpc_method="Txn",grpc_service="etcdserverpb.KV",grpc_type="unary"} ${txn}
grpc_server_msg_sent_total{grpc_method="Txn",grpc_service="etcdserverpb.KV",grpc_type="unary"} 900
process_cpu_seconds_total 1.25
`;
}

Deno.test("messagesBetween() counts what clients sent, of the methods asked for", () => {
  const before = parseEtcdMetrics(page(5, 100));
  const after = parseEtcdMetrics(page(12, 1e3));
  strictEqual(messagesBetween(before, after, ["Txn"]), 7);
  strictEqual(messagesBetween(before, after), 907);
  strictEqual(messagesBetween(before, after, ["Range"]), 0);
  strictEqual(after.cpuSeconds, 1.25);
});

Deno.test("parseEtcdMetrics() gives NaN where etcd does not know its processor time", () => {
  strictEqual(parseEtcdMetrics("").cpuSeconds, NaN);
});

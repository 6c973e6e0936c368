import { ok, strictEqual } from "node:assert/strict";
import { redirectRefusal } from "./follow_redirects.ts";

function refusal(from: string, to: string): string | undefined {
  return redirectRefusal(new URL(from), new URL(to));
}

Deno.test("redirectRefusal() lets a release's own redirects pass", () => {
  for (
    const [from, to] of [
      [
        "https://github.com/a",
        "https://release-assets.githubusercontent.com/b?sig=1",
      ],
      ["http://mirror.test/a", "https://mirror.test/a"],
      ["http://mirror.test/a", "http://10.0.0.7:8080/a"],
      ["http://127.0.0.1:8080/a", "http://127.0.0.1:8081/b"],
      ["http://localhost:8080/a", "http://[::1]:8081/b"],
    ] as const
  ) {
    strictEqual(refusal(from, to), undefined, `${from} to ${to}`);
  }
});

Deno.test("redirectRefusal() refuses to leave https", () => {
  ok(refusal("https://github.com/a", "http://github.com/a"));
});

Deno.test("redirectRefusal() refuses protocols that are no http", () => {
  for (const to of ["file:///etc/passwd", "data:text/plain,x", "ftp://x/"]) {
    ok(refusal("http://mirror.test/a", to), to);
  }
});

Deno.test("redirectRefusal() refuses what only this machine can reach, from elsewhere", () => {
  for (
    const to of [
      "https://127.0.0.1/",
      "https://127.1/",
      "https://localhost/",
      "https://api.localhost./",
      "https://169.254.169.254/latest/meta-data",
      "https://[::1]/",
      "https://[fe80::1]/",
      "https://[::ffff:127.0.0.1]/",
      "https://0.0.0.0/",
      "https://[fd00:ec2::254]/",
      "https://[64:ff9b::a9fe:a9fe]/",
      "https://[2002:7f00:1::1]/",
      "https://100.100.100.200/",
    ]
  ) {
    ok(refusal("https://github.com/a", to), to);
  }
});

Deno.test("redirectRefusal() refuses a cloud's own addresses, from wherever", () => {
  for (const from of ["http://127.0.0.1/", "http://10.0.0.1/", "http://a/"]) {
    ok(refusal(from, "http://169.254.169.254/"), from);
  }
});

Deno.test("redirectRefusal() refuses a site's addresses from a public one", () => {
  ok(refusal("http://8.8.8.8/", "http://10.0.0.1/"));
  strictEqual(refusal("http://10.0.0.1/", "http://10.0.0.2/"), undefined);
  strictEqual(refusal("http://10.0.0.1/", "http://8.8.8.8/"), undefined);
});

/**
 * Where the Worker of {@linkcode MemberPart} begins.
 *
 * @module
 */

import { serveCalls } from "../../base/worker/serve_calls.ts";
import type { MemberCalls } from "./member_part.ts";

serveCalls<MemberCalls>(async () => {
  const { memberCalls } = await import("./serve_member.ts");
  return memberCalls;
});

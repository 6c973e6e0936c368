/**
 * Where the thread of {@linkcode MemberPart} begins.
 *
 * @module
 */

import { serveMethods } from "../../base/worker/serve_methods.ts";
import type { MemberHost, MemberMethods } from "./member_part.ts";

serveMethods<MemberMethods, MemberHost>(async () => {
  const { memberMethods } = await import("./serve_member.ts");
  const { THREAD_ERRORS } = await import("./thread_errors.ts");
  return { methods: memberMethods(), errors: THREAD_ERRORS };
});

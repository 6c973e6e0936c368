#!/bin/sh
# kat-agent @VERSION@, portable form: this script, and behind it a Deno and the
# program, packed. The first start unpacks them into a cache directory; later
# starts look at that directory and run what is there, if only root and this user
# can have put it there.
set -uf

kat_name=agent-@KEY@
kat_files='@FILES@'
kat_sizes='@SIZES@'
kat_sums='@SUMS@'

# The agent gets the PATH it was started with; this script needs its tools. An
# empty one would name the current directory.
kat_path=${PATH-}
PATH=/usr/bin:/bin:/usr/sbin:/sbin${kat_path:+:$kat_path}
# A developer's settings for Deno and Node are not for the agent.
unset NODE_OPTIONS DENO_CONDITIONS DENO_COVERAGE_DIR DENO_INTERNAL_CHILD_ENTRYPOINT \
  DENO_V8_FLAGS DENO_AUDIT_PERMISSIONS DENO_TRACE_PERMISSIONS DENO_PERMISSION_BROKER_PATH \
  DENO_UNSTABLE_CONTROL_SOCK DENO_UNSTABLE_CRON_SOCK DENO_CACHE_DB_MODE DENO_SERVE_ADDRESS DENO_AUTO_SERVE
# Nor are settings that change what tools print and do.
unset TAR_OPTIONS GZIP BLOCK_SIZE BLOCKSIZE LS_BLOCK_SIZE POSIXLY_CORRECT
kat_me=$(id -u) || exit 1

case '@UNAME@' in
(Linux*)
  [ -e /proc/self/exe ] || {
    echo 'kat-agent: Cannot start: /proc is not mounted, and Deno finds itself there' >&2
    echo '  Mount it: mount -t proc proc /proc' >&2
    exit 1
  }
  ;;
esac

# Prints the number of root's files: 0, or in a user namespace that knows no root
# the overflow number, which then is the owner of / and no user's.
kat_find_root() (
  set -- $(LC_ALL=C ls -lnd /)
  kat_uid=${3-0}
  case $kat_uid in
  (0) ;;
  ("$(cat /proc/sys/kernel/overflowuid 2>/dev/null)")
    kat_known=1
    while read -r kat_first kat_outside kat_count; do
      kat_known=
      [ "$kat_outside" != 0 ] || kat_known=1
      [ "$kat_uid" -lt "$kat_first" ] || [ $((kat_uid - kat_first)) -ge "$kat_count" ] || kat_known=1
      [ -z "$kat_known" ] || break
    done </proc/self/uid_map
    [ -z "$kat_known" ] || kat_uid=0
    ;;
  (*) kat_uid=0 ;;
  esac
  printf '%s\n' "$kat_uid"
)
kat_root=$(kat_find_root)

# Says why others could exchange one of the paths $2…, each of which leads to the
# next; of a directory for all, as /tmp, only if it is the last and $1 is "end".
kat_judge() {
  kat_end=$1
  shift
  kat_left=$#
  kat_list=$(LC_ALL=C ls -lnd "$@" 2>&1) || { printf '%s\n' "$kat_list"; return 1; }
  printf '%s\n' "$kat_list" | {
    while read -r kat_mode _ kat_uid _; do
      kat_left=$((kat_left - 1))
      case $kat_uid in
      (0 | "$kat_me" | "$kat_root") ;;
      (*) echo "it, or what leads to it, belongs to user $kat_uid"; exit 1 ;;
      esac
      case $kat_left$kat_end$kat_mode in
      (0end*d????????[tT]*) ;;
      (*d????????[tT]*) case $kat_uid in (0 | "$kat_root") continue ;; esac ;;
      esac
      case $kat_mode in
      (l* | d????-??-*) ;;
      (d*) echo "others may write to it, or to what leads to it"; exit 1 ;;
      (*) echo "it, or what leads to it, is no directory"; exit 1 ;;
      esac
    done
    [ "$kat_left" = 0 ] || { echo "what leads to it changes"; exit 1; }
  }
}

# Prints the path of directory $1 without links, and makes it if $2 is "make"; or
# why others could exchange it. Looks at each component as it is written, and of
# each link in it, from / downwards: below what is root's or this user's alone,
# no other user can exchange a name.
kat_own() (
  kat_todo=$1
  kat_make=${2-}
  kat_tries=0
  while :; do
    kat_tries=$((kat_tries + 1))
    [ "$kat_tries" -le 99 ] || { echo "its links form a circle"; exit 1; }
    kat_at=
    kat_link=
    kat_missing=
    kat_rest=$kat_todo/
    set -- /
    while [ -n "$kat_rest" ]; do
      kat_name=${kat_rest%%/*}
      kat_rest=${kat_rest#*/}
      case $kat_name in
      ('' | .) continue ;;
      (..)
        # No link leads here: those before it are replaced already.
        kat_todo=${kat_at%/*}/$kat_rest
        continue 2
        ;;
      esac
      kat_at=$kat_at/$kat_name
      if [ -h "$kat_at" ]; then kat_link=$kat_at
      elif [ ! -e "$kat_at" ]; then
        kat_missing=$kat_at
        break
      fi
      set -- "$@" "$kat_at"
      [ -z "$kat_link" ] || break
    done
    kat_end=end
    [ -z "$kat_missing" ] || kat_end=
    kat_judge "$kat_end" "$@" || exit 1
    if [ -n "$kat_link" ]; then
      kat_name=$(readlink "$kat_link") || { echo "its links change"; exit 1; }
      case $kat_name in (/*) ;; (*) kat_name=${kat_link%/*}/$kat_name ;; esac
      kat_todo=$kat_name/$kat_rest
    elif [ -n "$kat_missing" ]; then
      [ "$kat_make" = make ] || { echo "it is missing"; exit 1; }
      # If another makes it at this moment, the next look tells whose it is.
      mkdir "$kat_missing" || [ -e "$kat_missing" ] || exit 1
    else
      printf '%s\n' "$kat_at"
      exit
    fi
  done
)

# Prints the real path of directory $1 if all is there, as it was unpacked.
kat_unpacked() (
  kat_dir=$(kat_own "$1") || { printf '%s\n' "$kat_dir"; exit 1; }
  cd "$kat_dir" || exit 1
  kat_list=$(LC_ALL=C ls -lnd .deno $kat_files 2>&1) || { echo "files are missing"; exit 1; }
  kat_found=$(printf '%s\n' "$kat_list" |
    while read -r kat_mode _ kat_uid _ kat_size kat_rest; do
      case $kat_uid in (0 | "$kat_me" | "$kat_root") ;; (*) echo "not ours" ;; esac
      case $kat_mode in
      (-????-??-*) printf '%s %s\n' "$kat_size" "${kat_rest##* }" ;;
      (d????-??-*) [ "${kat_rest##* }" = .deno ] || echo "no file" ;;
      (*) echo "no file" ;;
      esac
    done)
  [ "$kat_found" = "$kat_sizes" ] || { echo "files are damaged"; exit 1; }
  printf '%s\n' "$kat_dir"
)

# Unpacks into directory $1, or prints why not. Files are complete and checked
# before they are moved to their names, so that two may do this at once.
kat_unpack() (
  umask 077
  # What root unpacks may serve everybody.
  [ "$kat_me" = 0 ] && umask 022
  kat_dir=$(kat_own "$1" make) || { printf '%s\n' "$kat_dir"; exit 1; }
  # What a killed start left behind yesterday.
  find "$kat_dir" -name '.new.*' -prune -mtime +0 -exec rm -rf '{}' +
  kat_new=$(mktemp -d "$kat_dir/.new.XXXXXX") || { printf '%s\n' "$kat_new"; exit 1; }
  trap 'rm -rf "$kat_new"' EXIT
  trap 'exit 1' HUP INT TERM
  cd "$kat_new" || exit 1
  # Files keep the time that they were packed with: what is moved here over the
  # same file must not look newer, for Deno would read it again, in a part of a
  # starting agent that may not read.
  { tail -c +@OFFSET@ "$kat_self" | gzip -dc | tar -xof -; } 2>/dev/null || {
    echo "unpacking failed: is $kat_self damaged, or the disk full?"
    exit 1
  }
  if command -v sha256sum >/dev/null; then
    kat_found=$(sha256sum $kat_files)
  else
    kat_found=$(shasum -a 256 $kat_files)
  fi
  [ "$kat_found" = "$kat_sums" ] || {
    echo "what came out is not what was packed: is $kat_self damaged, or the disk full?"
    exit 1
  }
  ./kat-agent --version >/dev/null 2>&1 || {
    if [ "$(uname -sm)" = '@UNAME@' ]; then
      echo "no program may run from there, or Deno misses a library"
    else
      echo "this file is for @UNAME@, and this machine is $(uname -sm)"
    fi
    exit 1
  }
  sync $kat_files 2>/dev/null || sync
  mv -f $kat_files "$kat_dir/" || exit 1
  [ -d "$kat_dir/.deno" ] || mkdir -m 700 "$kat_dir/.deno" || [ -d "$kat_dir/.deno" ]
  # A file where Deno would make a directory: threads without rights could fill it.
  [ -e "$kat_dir/.deno/location_data" ] || : >"$kat_dir/.deno/location_data"
)

kat_self=$0
case $kat_self in (/*) ;; (*) kat_self=$PWD/$kat_self ;; esac

# Where caches are, in turn. The system's is filled by root and serves everybody;
# the service has another one, for root believes nothing that it wrote.
kat_system=/var/cache/kat
# Before, it was the service's: what is this user's is not the system's.
[ "$kat_me" = 0 ] || { [ -d "$kat_system/$kat_name" ] && [ ! -O "$kat_system" ]; } || kat_system=
# systemd may name several, with colons.
kat_service=${CACHE_DIRECTORY-}
kat_bases="${KAT_CACHE_DIR-}
$kat_system
${kat_service%%:*}
${XDG_CACHE_HOME:+$XDG_CACHE_HOME/kat}
${HOME:+$HOME/.cache/kat}
${TMPDIR:-/tmp}/kat-$kat_me"
kat_dir=
kat_why=
kat_ifs=$IFS
IFS='
'
for kat_base in $kat_bases; do
  IFS=$kat_ifs
  case $kat_base in (/*) ;; (*) continue ;; esac
  kat_target=$kat_base/$kat_name
  if [ -d "$kat_target" ]; then
    kat_dir=$(kat_unpacked "$kat_target") && break
  fi
  if kat_dir=$(kat_unpack "$kat_target" 2>&1); then
    kat_dir=$(kat_unpacked "$kat_target") && break
  fi
  kat_why="$kat_why  $kat_target: $kat_dir
"
  kat_dir=
done
IFS=$kat_ifs
[ -n "$kat_dir" ] || {
  printf 'kat-agent: Cannot unpack: no cache directory will do\n%s' "$kat_why" >&2
  printf '  Set KAT_CACHE_DIR to a directory that only you can write to\n' >&2
  exit 1
}

PATH=$kat_path
DENO_DIR=$kat_dir/.deno
DENO_NO_PACKAGE_JSON=1
DENO_NO_UPDATE_CHECK=1
# What a service is to start.
KAT_PROGRAM=$kat_self
# Of threads that each have a heap of glibc's, no one gives back what its start took.
: "${MALLOC_ARENA_MAX:=1}"
# Deno reads .npmrc in the home, and ends, or waits, for what is wrong with it.
KAT_HOME=${HOME-}
HOME=$kat_dir
export HOME KAT_HOME DENO_DIR DENO_NO_PACKAGE_JSON DENO_NO_UPDATE_CHECK KAT_PROGRAM MALLOC_ARENA_MAX
exec "$kat_dir/kat-agent" run --v8-flags=@FLAGS@ --quiet --no-prompt --cached-only --no-remote --no-npm \
  --no-lock "--config=$kat_dir/deno.json" -P=agent "$kat_dir/main.js" "$@"

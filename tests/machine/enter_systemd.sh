# Makes the cgroup of a machine made of namespaces and starts systemd in them.
# Usage: enter_systemd.sh CGROUP DIR REPOSITORY DENO DENO_DIR
#
# All that follows the checks happens in mounts of its own: without that,
# systemd would empty the real /tmp.
set -eu

if [ "$1" != --inside ]; then
  mkdir "$1"
  echo $$ >"$1/cgroup.procs"
  shift
  # If the test is interrupted, the machine ends with it.
  exec setpriv --pdeathsig KILL \
    unshare --pid --fork --kill-child --mount --propagation private \
    --uts --cgroup -- \
    sh "$0" --inside "$(readlink /proc/self/ns/mnt)" "$@"
fi

outer=$2 dir=$3 repository=$4 deno=$5 deno_dir=$6
if [ "$$" != 1 ] || [ "$(readlink /proc/self/ns/mnt)" = "$outer" ] ||
  grep -q ' shared:' /proc/self/mountinfo; then
  echo "These are not namespaces of its own" >&2
  exit 70
fi
mount -t proc proc /proc

# The box: what outlives a reboot, and the program with what it needs.
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir /opt/box /opt/repository /opt/deno_dir
touch /opt/deno
mount --bind "$dir" /opt/box
mount --bind "$repository" /opt/repository
mount --bind "$deno_dir" /opt/deno_dir
mount --bind "$deno" /opt/deno
for name in etc var; do
  mkdir -p "/opt/box/$name" "/opt/box/$name.work"
  mount -t overlay overlay "/$name" -o \
    "lowerdir=/$name,upperdir=/opt/box/$name,workdir=/opt/box/$name.work"
done
for path in /tmp /run /var/tmp /var/log; do
  mount -t tmpfs -o mode=1777 tmpfs "$path"
done
chmod 755 /run /var/log

# Devices of its own: systemd and its journal make links among them.
mkdir /run/dev
for name in null zero full random urandom tty; do
  touch "/run/dev/$name"
  mount --bind "/dev/$name" "/run/dev/$name"
done
mount -t tmpfs -o mode=755 tmpfs /dev
for name in null zero full random urandom tty; do
  touch "/dev/$name"
  mount --move "/run/dev/$name" "/dev/$name"
done
ln -s /proc/self/fd /dev/fd
ln -s pts/ptmx /dev/ptmx
mkdir /dev/shm /dev/pts /dev/mqueue /dev/hugepages
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts

mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind /proc/sys /proc/sys
for path in /proc/sys /sys /; do mount -o remount,bind,ro "$path"; done

# Of the machine's services none is wanted here, and no generator makes more.
: >/etc/fstab
find /etc/systemd/system -path '*.wants/*' ! -name kat-agent.service -delete
mkdir -p /etc/systemd/system-generators
for path in /lib/systemd/system-generators/* /usr/local/lib/systemd/system-generators/*; do
  ln -sf /dev/null "/etc/systemd/system-generators/${path##*/}"
done
for path in /lib/systemd/system/*.target.wants/*; do
  case $path in
  *journal*) ;;
  *) ln -sf /dev/null "/etc/systemd/system/${path##*/}" ;;
  esac
done
for unit in dbus.service dbus.socket systemd-logind.service getty.target \
  systemd-tmpfiles-clean.timer systemd-udevd-control.socket \
  systemd-udevd-kernel.socket systemd-remount-fs.service; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done

for systemd in /lib/systemd/systemd /usr/lib/systemd/systemd; do
  [ -x "$systemd" ] && exec env -i container=kat-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    "$systemd" --unit=multi-user.target --show-status=no
done

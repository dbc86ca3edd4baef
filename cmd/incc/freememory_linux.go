package main

import (
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// systemMemory returns the smallest of three numbers of bytes: the available memory of
// the machine, the memory that the control groups of this process still allow, and the
// memory that its resource limits still allow.
func systemMemory() (int64, bool) {
	free := int64(math.MaxInt64)
	if n, ok := procField("/proc/meminfo", "MemAvailable:"); ok {
		free = n << 10
	}
	free = min(free, cgroupMemory("/"), resourceMemory())
	if strconv.IntSize == 32 {
		free = min(free, 1<<30) // the address space is fragmented, so not all of it can be used
	}
	return max(0, free), free < math.MaxInt64
}

// cgroupMemory returns how many bytes the control groups of this process (version 1 or
// 2) still allow, or MaxInt64 if they set no limit. It reads the files below root,
// which is "/" except in tests.
func cgroupMemory(root string) int64 {
	free := int64(math.MaxInt64)
	b, err := os.ReadFile(path.Join(root, "proc/self/cgroup"))
	if err != nil {
		return free
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy, controllers, path
		if len(f) != 3 {
			continue
		}
		var mount, limit, usage, cache string
		switch {
		case f[0] == "0":
			mount, limit, usage, cache = "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
		case strings.Contains(","+f[1]+",", ",memory,"):
			mount, limit, usage, cache = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
		default:
			continue
		}
		// The limits of the group and of all its parents apply. In a container the path
		// may be the path on the host; the files of the container's own group are then
		// at the top of the mount.
		for group := path.Clean("/" + f[2]); ; group = path.Dir(group) {
			dir := path.Join(root, mount, group)
			most, ok := number(path.Join(dir, limit))
			used, ok2 := number(path.Join(dir, usage))
			if ok && ok2 {
				reclaimable, _ := procField(path.Join(dir, "memory.stat"), cache)
				free = min(free, most-max(0, used-reclaimable))
			}
			if group == "/" {
				break
			}
		}
	}
	return free
}

// number reads a file that holds one number. It returns false for "max", which means
// no limit.
func number(file string) (int64, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// resourceMemory returns how many bytes the limits on address space and data (ulimit -v
// and -d) still allow, or MaxInt64 if there is no limit. It subtracts a sixteenth for
// memory that the Go runtime reserves in advance.
func resourceMemory() int64 {
	free := int64(math.MaxInt64)
	statm, err := os.ReadFile("/proc/self/statm")
	f := strings.Fields(string(statm)) // pages: size resident shared text lib data
	if err != nil || len(f) < 6 {
		return free
	}
	for _, r := range []struct{ resource, field int }{{syscall.RLIMIT_AS, 0}, {syscall.RLIMIT_DATA, 5}} {
		var l syscall.Rlimit
		pages, err := strconv.ParseInt(f[r.field], 10, 64)
		if err != nil || syscall.Getrlimit(r.resource, &l) != nil || uint64(l.Cur) > math.MaxInt64/2 {
			continue
		}
		left := int64(l.Cur) - pages*int64(os.Getpagesize())
		free = min(free, left-left/16)
	}
	return free
}

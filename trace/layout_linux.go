//go:build amd64 || arm64

package trace

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// layout is where this kernel has the fields that the programs read.
type layout struct {
	task struct{ nsproxy, tgid, pid, leader, comm, compat, started field }
	regs struct {
		number, sp     field
		native, compat [6]field
	}
	ipcNS, inum                field // of nsproxy, of ipc_namespace
	vmFile, inode, inodeNumber field
}

// field is a place in a struct.
type field struct {
	at   int16
	size asm.Size
}

// readLayout asks the kernel's BTF.
func readLayout(spec *btf.Spec) (*layout, error) {
	var l layout
	var missing error
	find := func(to *field, of, path string) {
		f, err := findField(spec, of, path)
		if err != nil && missing == nil {
			missing = &missingError{fmt.Sprintf("this kernel's BTF has no field %s of struct %s", path, of), err}
		}
		*to = f
	}
	find(&l.task.nsproxy, "task_struct", "nsproxy")
	find(&l.task.tgid, "task_struct", "tgid")
	find(&l.task.pid, "task_struct", "pid")
	find(&l.task.leader, "task_struct", "group_leader")
	find(&l.task.comm, "task_struct", "comm")
	find(&l.task.started, "task_struct", "start_boottime")
	find(&l.task.compat, "task_struct", "thread_info/"+compatField)
	find(&l.ipcNS, "nsproxy", "ipc_ns")
	find(&l.inum, "ipc_namespace", "ns/inum")
	find(&l.vmFile, "vm_area_struct", "vm_file")
	find(&l.inode, "file", "f_inode")
	find(&l.inodeNumber, "inode", "i_ino")
	find(&l.regs.number, "pt_regs", numberField)
	find(&l.regs.sp, "pt_regs", "sp")
	for i := range nativeArgs {
		find(&l.regs.native[i], "pt_regs", nativeArgs[i])
		find(&l.regs.compat[i], "pt_regs", compatArgs[i])
	}
	return &l, missing
}

// kernelTypes loads the kernel's BTF.
func kernelTypes(cache *btf.Cache) (*btf.Spec, error) {
	spec, err := cache.Kernel()
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, btf.ErrNotSupported), errors.Is(err, btf.ErrNotFound):
		return nil, &missingError{"this kernel has no BTF in /sys/kernel/btf/vmlinux: it needs CONFIG_DEBUG_INFO_BTF, and sysfs mounted", err}
	case err != nil:
		return nil, fmt.Errorf("trace: read the kernel's BTF: %w", err)
	}
	return spec, nil
}

// findField follows a path of members, or indices of arrays, through structs and those without a name in them.
func findField(spec *btf.Spec, of, path string) (field, error) {
	var s *btf.Struct
	if err := spec.TypeByName(of, &s); err != nil {
		return field{}, err
	}
	var t btf.Type = s
	at := uint32(0)
	for name := range strings.SplitSeq(path, "/") {
		next, offset, ok := member(t, name)
		if !ok {
			return field{}, btf.ErrNotFound
		}
		t, at = next, at+offset
	}
	size, err := btf.Sizeof(t)
	if err != nil {
		return field{}, err
	}
	f := field{at: int16(at), size: asm.DWord}
	if at > 1<<15-1 {
		return field{}, btf.ErrNotFound
	}
	if size == 4 {
		f.size = asm.Word
	}
	return f, nil
}

func member(t btf.Type, name string) (btf.Type, uint32, bool) {
	var members []btf.Member
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	case *btf.Array:
		n, err := strconv.ParseUint(name, 10, 16)
		size, sizeErr := btf.Sizeof(t.Type)
		return t.Type, uint32(n) * uint32(size), err == nil && sizeErr == nil && uint32(n) < t.Nelems
	}
	for _, m := range members {
		if m.Name == name {
			return m.Type, m.Offset.Bytes(), m.BitfieldSize == 0
		}
		if m.Name != "" {
			continue
		}
		if t, at, ok := member(m.Type, name); ok {
			return t, m.Offset.Bytes() + at, true
		}
	}
	return nil, 0, false
}

package sysv

import "structs"

// The layouts of all ports exist on every port, with fields of fixed width, so that one test run can
// compare each of them with the C headers; a port's own file picks those that hold there. Structs that
// differ between two ports only in their struct ipc64_perm take it as a type parameter.

// A layoutPerm is some port's struct ipc64_perm.
type layoutPerm interface{ neutral() Perm }

// perm64 is struct ipc64_perm of asm-generic on 64-bit ports.
type perm64 struct {
	_                    structs.HostLayout
	key                  int32
	uid, gid, cuid, cgid uint32
	mode                 uint32
	seq                  uint16
	_                    uint16
	_, _                 uint64
}

func (p perm64) neutral() Perm {
	return Perm{p.key, p.uid, p.gid, p.cuid, p.cgid, p.mode, uint32(p.seq)}
}

// permS390x is struct ipc64_perm of s390x: some padding comes before seq.
type permS390x struct {
	_                    structs.HostLayout
	key                  int32
	uid, gid, cuid, cgid uint32
	mode                 uint32
	_                    uint16
	seq                  uint16
	_, _                 uint64
}

func (p permS390x) neutral() Perm {
	return Perm{p.key, p.uid, p.gid, p.cuid, p.cgid, p.mode, uint32(p.seq)}
}

// permPPC64 is struct ipc64_perm of ppc64: seq has 32 bits.
type permPPC64 struct {
	_                    structs.HostLayout
	key                  int32
	uid, gid, cuid, cgid uint32
	mode                 uint32
	seq                  uint32
	_                    uint32
	_, _                 uint64
}

func (p permPPC64) neutral() Perm {
	return Perm{p.key, p.uid, p.gid, p.cuid, p.cgid, p.mode, p.seq}
}

// perm32 is struct ipc64_perm of asm-generic on 386 and arm: mode has 16 bits.
type perm32 struct {
	_                    structs.HostLayout
	key                  int32
	uid, gid, cuid, cgid uint32
	mode                 uint16
	_                    uint16
	seq                  uint16
	_                    uint16
	_, _                 uint32
}

func (p perm32) neutral() Perm {
	return Perm{p.key, p.uid, p.gid, p.cuid, p.cgid, uint32(p.mode), uint32(p.seq)}
}

// permMIPS32 is struct ipc64_perm of asm-generic on 32-bit mips: mode has 32 bits.
type permMIPS32 struct {
	_                    structs.HostLayout
	key                  int32
	uid, gid, cuid, cgid uint32
	mode                 uint32
	seq                  uint16
	_                    uint16
	_, _                 uint32
}

func (p permMIPS32) neutral() Perm {
	return Perm{p.key, p.uid, p.gid, p.cuid, p.cgid, p.mode, uint32(p.seq)}
}

// seconds joins the two halves in which 32-bit ports keep a time. Kernels before 4.17 leave the high one 0.
func seconds(high, low uint32) int64 {
	return int64(uint64(high)<<32 | uint64(low))
}

// newPerm returns what IPC_SET reads of this port's struct ipc64_perm.
func newPerm(uid, gid, m uint32) perm {
	return perm{uid: uid, gid: gid, mode: mode(m)}
}

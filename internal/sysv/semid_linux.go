package sysv

import "structs"

// semid64 is struct semid64_ds of 64-bit ports except amd64.
type semid64[P layoutPerm] struct {
	_            structs.HostLayout
	perm         P
	otime, ctime int64
	nsems        uint64
	_, _         uint64
}

func (d *semid64[P]) neutral() SemidDS {
	return SemidDS{Perm: d.perm.neutral(), Otime: d.otime, Ctime: d.ctime, Nsems: d.nsems}
}

// semidAMD64 is struct semid64_ds of amd64: a spare word follows each time.
type semidAMD64 struct {
	_     structs.HostLayout
	perm  perm64
	otime int64
	_     uint64
	ctime int64
	_     uint64
	nsems uint64
	_, _  uint64
}

func (d *semidAMD64) neutral() SemidDS {
	return SemidDS{Perm: d.perm.neutral(), Otime: d.otime, Ctime: d.ctime, Nsems: d.nsems}
}

// semid32 is struct semid64_ds of 386 and arm: each time is two words.
type semid32 struct {
	_                structs.HostLayout
	perm             perm32
	otime, otimeHigh uint32
	ctime, ctimeHigh uint32
	nsems            uint32
	_, _             uint32
}

func (d *semid32) neutral() SemidDS {
	return SemidDS{
		Perm:  d.perm.neutral(),
		Otime: seconds(d.otimeHigh, d.otime), Ctime: seconds(d.ctimeHigh, d.ctime),
		Nsems: uint64(d.nsems),
	}
}

// semidMIPS32 is struct semid64_ds of 32-bit mips: the times' high words come last.
type semidMIPS32 struct {
	_                    structs.HostLayout
	perm                 permMIPS32
	otime, ctime         uint32
	nsems                uint32
	otimeHigh, ctimeHigh uint32
}

func (d *semidMIPS32) neutral() SemidDS {
	return SemidDS{
		Perm:  d.perm.neutral(),
		Otime: seconds(d.otimeHigh, d.otime), Ctime: seconds(d.ctimeHigh, d.ctime),
		Nsems: uint64(d.nsems),
	}
}

// seminfo is struct seminfo, on every port.
type seminfo struct {
	_                                              structs.HostLayout
	semmap, semmni, semmns, semmnu, semmsl, semopm int32
	semume, semusz, semvmx, semaem                 int32
}

func (s *seminfo) neutral() Seminfo {
	return Seminfo{
		Semmni: int(s.semmni), Semmns: int(s.semmns), Semmsl: int(s.semmsl), Semopm: int(s.semopm),
		Semvmx: int(s.semvmx), Semusz: int(s.semusz), Semaem: int(s.semaem),
	}
}

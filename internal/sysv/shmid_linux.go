package sysv

import "structs"

// shmid64 is struct shmid64_ds of 64-bit ports except ppc64.
type shmid64[P layoutPerm] struct {
	_                   structs.HostLayout
	perm                P
	segsz               uint64
	atime, dtime, ctime int64
	cpid, lpid          int32
	nattch              uint64
	_, _                uint64
}

func (d *shmid64[P]) neutral() ShmidDS {
	return ShmidDS{
		Perm: d.perm.neutral(), Segsz: d.segsz,
		Atime: d.atime, Dtime: d.dtime, Ctime: d.ctime,
		Cpid: d.cpid, Lpid: d.lpid, Nattch: d.nattch,
	}
}

// shmidPPC64 is struct shmid64_ds of ppc64: the times come before the size.
type shmidPPC64 struct {
	_                   structs.HostLayout
	perm                permPPC64
	atime, dtime, ctime int64
	segsz               uint64
	cpid, lpid          int32
	nattch              uint64
	_, _                uint64
}

func (d *shmidPPC64) neutral() ShmidDS {
	return ShmidDS{
		Perm: d.perm.neutral(), Segsz: d.segsz,
		Atime: d.atime, Dtime: d.dtime, Ctime: d.ctime,
		Cpid: d.cpid, Lpid: d.lpid, Nattch: d.nattch,
	}
}

// shmid32 is struct shmid64_ds of 386 and arm: each time is two words.
type shmid32 struct {
	_                structs.HostLayout
	perm             perm32
	segsz            uint32
	atime, atimeHigh uint32
	dtime, dtimeHigh uint32
	ctime, ctimeHigh uint32
	cpid, lpid       int32
	nattch           uint32
	_, _             uint32
}

func (d *shmid32) neutral() ShmidDS {
	return ShmidDS{
		Perm: d.perm.neutral(), Segsz: uint64(d.segsz),
		Atime: seconds(d.atimeHigh, d.atime), Dtime: seconds(d.dtimeHigh, d.dtime), Ctime: seconds(d.ctimeHigh, d.ctime),
		Cpid: d.cpid, Lpid: d.lpid, Nattch: uint64(d.nattch),
	}
}

// shmidMIPS32 is struct shmid64_ds of 32-bit mips: the times' high words have 16 bits and come last.
type shmidMIPS32 struct {
	_                               structs.HostLayout
	perm                            permMIPS32
	segsz                           uint32
	atime, dtime, ctime             uint32
	cpid, lpid                      int32
	nattch                          uint32
	atimeHigh, dtimeHigh, ctimeHigh uint16
	_                               uint16
}

func (d *shmidMIPS32) neutral() ShmidDS {
	return ShmidDS{
		Perm: d.perm.neutral(), Segsz: uint64(d.segsz),
		Atime: seconds(uint32(d.atimeHigh), d.atime),
		Dtime: seconds(uint32(d.dtimeHigh), d.dtime),
		Ctime: seconds(uint32(d.ctimeHigh), d.ctime),
		Cpid:  d.cpid, Lpid: d.lpid, Nattch: uint64(d.nattch),
	}
}

// shminfo is struct shminfo64, on every port: long is the port's unsigned C long.
type shminfo[long uint32 | uint64] struct {
	_                                      structs.HostLayout
	shmmax, shmmin, shmmni, shmseg, shmall long
	_, _, _, _                             long
}

func (s *shminfo[long]) neutral() Shminfo {
	return Shminfo{
		Shmmax: uint64(s.shmmax), Shmmin: uint64(s.shmmin), Shmmni: uint64(s.shmmni),
		Shmseg: uint64(s.shmseg), Shmall: uint64(s.shmall),
	}
}

// shmUse is struct shm_info, on every port.
type shmUse[long uint32 | uint64] struct {
	_             structs.HostLayout
	usedIDs       int32
	tot, rss, swp long
	_, _          long // swap_attempts, swap_successes
}

func (s *shmUse[long]) neutral() ShmUse {
	return ShmUse{UsedIDs: int(s.usedIDs), Tot: uint64(s.tot), Rss: uint64(s.rss), Swp: uint64(s.swp)}
}

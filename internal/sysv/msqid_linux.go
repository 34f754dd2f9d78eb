package sysv

import "structs"

// msqid64 is struct msqid64_ds of 64-bit ports.
type msqid64[P layoutPerm] struct {
	_                    structs.HostLayout
	perm                 P
	stime, rtime, ctime  int64
	cbytes, qnum, qbytes uint64
	lspid, lrpid         int32
	_, _                 uint64
}

func (d *msqid64[P]) neutral() MsqidDS {
	return MsqidDS{
		Perm: d.perm.neutral(), Stime: d.stime, Rtime: d.rtime, Ctime: d.ctime,
		Cbytes: d.cbytes, Qnum: d.qnum, Qbytes: d.qbytes, Lspid: d.lspid, Lrpid: d.lrpid,
	}
}

// msqid32 is struct msqid64_ds of little-endian 32-bit ports: each time is two words, the low one first.
type msqid32[P layoutPerm] struct {
	_                    structs.HostLayout
	perm                 P
	stime, stimeHigh     uint32
	rtime, rtimeHigh     uint32
	ctime, ctimeHigh     uint32
	cbytes, qnum, qbytes uint32
	lspid, lrpid         int32
	_, _                 uint32
}

func (d *msqid32[P]) neutral() MsqidDS {
	return MsqidDS{
		Perm:  d.perm.neutral(),
		Stime: seconds(d.stimeHigh, d.stime), Rtime: seconds(d.rtimeHigh, d.rtime), Ctime: seconds(d.ctimeHigh, d.ctime),
		Cbytes: uint64(d.cbytes), Qnum: uint64(d.qnum), Qbytes: uint64(d.qbytes), Lspid: d.lspid, Lrpid: d.lrpid,
	}
}

// msqidMIPS32BE is struct msqid64_ds of big-endian 32-bit mips: the high word comes first.
type msqidMIPS32BE struct {
	_                    structs.HostLayout
	perm                 permMIPS32
	stimeHigh, stime     uint32
	rtimeHigh, rtime     uint32
	ctimeHigh, ctime     uint32
	cbytes, qnum, qbytes uint32
	lspid, lrpid         int32
	_, _                 uint32
}

func (d *msqidMIPS32BE) neutral() MsqidDS {
	return MsqidDS{
		Perm:  d.perm.neutral(),
		Stime: seconds(d.stimeHigh, d.stime), Rtime: seconds(d.rtimeHigh, d.rtime), Ctime: seconds(d.ctimeHigh, d.ctime),
		Cbytes: uint64(d.cbytes), Qnum: uint64(d.qnum), Qbytes: uint64(d.qbytes), Lspid: d.lspid, Lrpid: d.lrpid,
	}
}

// msginfo is struct msginfo, on every port.
type msginfo struct {
	_                                                       structs.HostLayout
	msgpool, msgmap, msgmax, msgmnb, msgmni, msgssz, msgtql int32
	_                                                       uint16 // msgseg
}

func (m *msginfo) neutral() Msginfo {
	return Msginfo{
		Msgmax: int(m.msgmax), Msgmnb: int(m.msgmnb), Msgmni: int(m.msgmni),
		Msgpool: int(m.msgpool), Msgmap: int(m.msgmap), Msgtql: int(m.msgtql),
	}
}

package sysv

type msqidDS = msqid32[permMIPS32]

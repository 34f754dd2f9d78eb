package sysv

type msqidDS = msqidMIPS32BE

# From perlipc, "SysV IPC". The page finds the set by key 1234; here its ID is an argument.
my $id = shift;

my $semnum  = 0;
my $semflag = 0;

# Decrement the semaphore count
my $semop = -1;
my $opstring = pack("s!s!s!", $semnum, $semop, $semflag);

semop($id, $opstring)   || die "semop: $!";
print "given\n";

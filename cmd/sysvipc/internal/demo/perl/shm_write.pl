# From perlipc, "SysV IPC". The page makes the segment itself; here its ID is an argument.
my $id = shift;

my $message = "Message #1";
shmwrite($id, $message, 0, 60)  || die "shmwrite: $!";
print "wrote: '$message'\n";

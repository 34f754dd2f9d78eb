# From perlipc, "SysV IPC". The page makes the segment itself; here its ID is an argument.
my ($id, $message) = @ARGV;

shmread($id, my $buff, 0, 60)      || die "shmread: $!";

# the buffer of shmread is zero-character end-padded.
substr($buff, index($buff, "\0")) = "";
print "read : '$buff'\n";
print "un" unless $buff eq $message;
print "swell\n";

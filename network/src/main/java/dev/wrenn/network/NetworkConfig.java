package dev.wrenn.network;

import java.net.Inet4Address;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/**
 * How slots are made on this host.
 *
 * @param prefix starts the name of everything the pool makes on the machine; one to six lower-case
 *     letters and digits, a letter first; unique per running pool
 * @param poolSize slots that are kept ready; at least 1
 * @param maxSlots slots that may exist at once, at most 1020
 * @param slotRange where the pool looks for a free block of 1024 addresses for its slots
 * @param denied ranges that guests must not reach; the slot range is always denied as well
 * @param resolvers one or two name servers for guests, in order of preference; port 53 of them may
 *     be reached even inside a denied range
 * @param maxConnections connections one guest may have open at once; protects the host's table
 * @param stateFolder where the lock and the rules of the pool are kept while the machine is up;
 *     should not survive a reboot
 */
public record NetworkConfig(
        String prefix,
        int poolSize,
        int maxSlots,
        Cidr slotRange,
        List<Cidr> denied,
        List<Inet4Address> resolvers,
        int maxConnections,
        Path stateFolder) {
    private static final Pattern PREFIX = Pattern.compile("[a-z][a-z0-9]{0,5}");

    /**
     * Everything that is not the public internet: RFC 6890 special-purpose ranges (private,
     * link-local with the metadata services, carrier NAT, benchmarks, multicast, reserved) and
     * 168.63.129.16, where Azure answers its virtual machines.
     */
    public static final List<Cidr> NOT_PUBLIC =
            List.of(
                    Cidr.parse("0.0.0.0/8"),
                    Cidr.parse("10.0.0.0/8"),
                    Cidr.parse("100.64.0.0/10"),
                    Cidr.parse("127.0.0.0/8"),
                    Cidr.parse("168.63.129.16/32"),
                    Cidr.parse("169.254.0.0/16"),
                    Cidr.parse("172.16.0.0/12"),
                    Cidr.parse("192.0.0.0/24"),
                    Cidr.parse("192.168.0.0/16"),
                    Cidr.parse("198.18.0.0/15"),
                    Cidr.parse("224.0.0.0/4"),
                    Cidr.parse("240.0.0.0/4"));

    /** Works on a machine of its own; the resolvers are public ones. */
    public static final NetworkConfig DEFAULTS =
            new NetworkConfig(
                    "wrn",
                    3,
                    512,
                    Cidr.parse("10.11.0.0/16"),
                    NOT_PUBLIC,
                    Resolvers.PUBLIC,
                    4096,
                    Path.of("/run/wrenn"));

    /** Checks every value. */
    public NetworkConfig {
        denied = List.copyOf(denied);
        resolvers = List.copyOf(resolvers);
        require(
                PREFIX.matcher(prefix).matches(),
                "prefix must be one to six lower-case letters and digits, a letter first");
        require(
                maxSlots >= 1 && maxSlots <= AddressBlock.MAX_INDEX,
                "max-slots must be 1 to " + AddressBlock.MAX_INDEX);
        require(poolSize >= 1 && poolSize <= maxSlots, "pool-size must be 1 to max-slots");
        require(
                slotRange.prefixLength() <= AddressBlock.PREFIX_LENGTH,
                "slot-range must hold a block of 1024 addresses");
        require(resolvers.size() == 1 || resolvers.size() == 2, "resolvers must be one or two");
        require(maxConnections >= 1, "max-connections must be at least 1");
    }

    /**
     * The defaults under that prefix, with their state in that folder and the resolvers of this
     * host if they are public.
     */
    public static NetworkConfig of(String prefix, Path stateFolder) {
        return DEFAULTS.withPrefix(prefix)
                .withStateFolder(stateFolder)
                .withResolvers(Resolvers.ofHost());
    }

    /** The same with another prefix. */
    public NetworkConfig withPrefix(String newPrefix) {
        return new NetworkConfig(
                newPrefix,
                poolSize,
                maxSlots,
                slotRange,
                denied,
                resolvers,
                maxConnections,
                stateFolder);
    }

    /** The same with other resolvers. */
    public NetworkConfig withResolvers(List<Inet4Address> newResolvers) {
        return new NetworkConfig(
                prefix,
                poolSize,
                maxSlots,
                slotRange,
                denied,
                newResolvers,
                maxConnections,
                stateFolder);
    }

    /** The same with another number of slots that are kept ready. */
    public NetworkConfig withPoolSize(int newPoolSize) {
        return new NetworkConfig(
                prefix,
                newPoolSize,
                maxSlots,
                slotRange,
                denied,
                resolvers,
                maxConnections,
                stateFolder);
    }

    /** The same with another limit. */
    public NetworkConfig withMaxSlots(int newMaxSlots) {
        return new NetworkConfig(
                prefix,
                poolSize,
                newMaxSlots,
                slotRange,
                denied,
                resolvers,
                maxConnections,
                stateFolder);
    }

    /** The same with another state folder. */
    public NetworkConfig withStateFolder(Path newStateFolder) {
        return new NetworkConfig(
                prefix,
                poolSize,
                maxSlots,
                slotRange,
                denied,
                resolvers,
                maxConnections,
                newStateFolder);
    }

    private static void require(boolean holds, String problem) {
        if (!holds) {
            throw new IllegalArgumentException(problem);
        }
    }
}

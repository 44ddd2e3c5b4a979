package dev.wrenn.network;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.util.regex.Pattern;

/**
 * A range of IPv4 addresses.
 *
 * @param address the first address of the range: no bit is set below the prefix
 * @param prefixLength 0 to 32
 */
public record Cidr(Inet4Address address, int prefixLength) {
    private static final Pattern DOTTED = Pattern.compile("[0-9]{1,3}(\\.[0-9]{1,3}){3}");

    /** Rejects prefixes out of range and addresses with bits below the prefix. */
    public Cidr {
        if (prefixLength < 0 || prefixLength > 32) {
            throw new IllegalArgumentException("a prefix length is 0 to 32: " + prefixLength);
        }
        if ((toInt(address) & ~mask(prefixLength)) != 0) {
            throw new IllegalArgumentException(
                    "%s has bits below its prefix of %d"
                            .formatted(address.getHostAddress(), prefixLength));
        }
    }

    /**
     * Reads {@code 10.0.0.0/8} or a single address.
     *
     * @throws IllegalArgumentException if the text is neither
     */
    public static Cidr parse(String text) {
        var slash = text.indexOf('/');
        if (slash < 0) {
            return new Cidr(address(text), 32);
        }
        int length;
        try {
            length = Integer.parseInt(text.substring(slash + 1));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("not a range of addresses: " + text, e);
        }
        return new Cidr(address(text.substring(0, slash)), length);
    }

    private static Inet4Address address(String text) {
        // The JDK would also read 10.1 as 10.0.0.1, which nobody means.
        if (!DOTTED.matcher(text).matches()) {
            throw new IllegalArgumentException("not an IPv4 address: " + text);
        }
        return Inet4Address.ofLiteral(text);
    }

    /** Whether the address lies in the range. */
    public boolean contains(Inet4Address candidate) {
        return ((toInt(candidate) ^ toInt(address)) & mask(prefixLength)) == 0;
    }

    /** Whether every address of the other range lies in this one. */
    public boolean contains(Cidr other) {
        return prefixLength <= other.prefixLength && contains(other.address);
    }

    /** Whether the two have an address in common. */
    public boolean overlaps(Cidr other) {
        return contains(other) || other.contains(this);
    }

    /** The address that many after the first one, which must lie in the range. */
    Inet4Address at(int offset) {
        var result = fromInt(toInt(address) + offset);
        if (offset < 0 || !contains(result)) {
            throw new IllegalArgumentException(this + " has no address number " + offset);
        }
        return result;
    }

    /** How far the address is from the first one; the address must lie in the range. */
    int offsetOf(Inet4Address member) {
        return toInt(member) - toInt(address);
    }

    /** The range of that length that holds the address. */
    static Cidr around(Inet4Address member, int prefixLength) {
        return new Cidr(fromInt(toInt(member) & mask(prefixLength)), prefixLength);
    }

    @Override
    public String toString() {
        return address.getHostAddress() + "/" + prefixLength;
    }

    private static int mask(int prefixLength) {
        return prefixLength == 0 ? 0 : -1 << (32 - prefixLength);
    }

    private static int toInt(Inet4Address address) {
        return ByteBuffer.wrap(address.getAddress()).getInt();
    }

    private static Inet4Address fromInt(int bits) {
        try {
            return (Inet4Address)
                    InetAddress.getByAddress(ByteBuffer.allocate(4).putInt(bits).array());
        } catch (UnknownHostException e) {
            throw new IllegalStateException("four bytes are an IPv4 address", e);
        }
    }
}

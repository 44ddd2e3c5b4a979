package dev.wrenn.control.build;

import dev.wrenn.control.http.ApiException;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;

/**
 * Writes a tar entry by entry and refuses what could reach beyond the folder it is unpacked into,
 * or fill the disk.
 */
final class SafeTar implements Closeable {
    private static final int MOST_ENTRIES = 20_000;
    private static final long MOST_BYTES = 1L << 30;
    private static final int LONGEST_PATH = 1024;
    private static final int PERMISSIONS = 0777;
    private static final int DEFAULT_FILE = 0644;
    private static final int DEFAULT_FOLDER = 0755;
    private static final int BUFFER_BYTES = 64 << 10;

    private enum Sort {
        FILE,
        FOLDER,
        LINK
    }

    private final TarArchiveOutputStream out;
    private final Map<String, Sort> seen = new HashMap<>();
    private final Map<String, String> contents = new TreeMap<>();
    private long bytes;

    SafeTar(OutputStream out) {
        this.out = new TarArchiveOutputStream(out, StandardCharsets.UTF_8.name());
        this.out.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
        this.out.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
        this.out.setAddPaxHeadersForNonAsciiNames(true);
    }

    Map<String, String> contents() {
        return contents;
    }

    void addAll(TarArchiveInputStream in) throws IOException {
        for (var entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
            if (entry.isDirectory()) {
                folder(entry.getName(), entry.getMode());
            } else if (entry.isSymbolicLink()) {
                symbolicLink(entry.getName(), entry.getLinkName());
            } else if (entry.isLink()) {
                hardLink(entry.getName(), entry.getLinkName());
            } else if (entry.isCharacterDevice() || entry.isBlockDevice() || entry.isFIFO()) {
                throw refused(entry.getName(), "is a device or pipe");
            } else {
                file(entry.getName(), entry.getMode(), entry.getRealSize(), in);
            }
        }
    }

    void addAll(ZipFile zip) throws IOException {
        for (var entries = zip.getEntries(); entries.hasMoreElements(); ) {
            var entry = entries.nextElement();
            int mode = entry.getUnixMode();
            if (entry.isDirectory()) {
                folder(entry.getName(), mode == 0 ? DEFAULT_FOLDER : mode);
            } else if (entry.isUnixSymlink()) {
                symbolicLink(entry.getName(), zip.getUnixSymlink(entry));
            } else {
                file(zip, entry, mode == 0 ? DEFAULT_FILE : mode);
            }
        }
    }

    private void file(ZipFile zip, ZipArchiveEntry entry, int mode) throws IOException {
        if (!zip.canReadEntryData(entry)) {
            throw refused(entry.getName(), "is encrypted or compressed in an unknown way");
        }
        try (var in = zip.getInputStream(entry)) {
            file(entry.getName(), mode, entry.getSize(), in);
        }
    }

    private void folder(String name, int mode) throws IOException {
        var path = path(name);
        if (path.isEmpty()) {
            return; // the folder itself
        }
        take(path.get(), Sort.FOLDER);
        var entry = new TarArchiveEntry(path.get() + "/");
        put(entry, mode);
        out.closeArchiveEntry();
        contents.put(path.get() + "/", Integer.toOctalString(mode & PERMISSIONS));
    }

    private void file(String name, int mode, long size, InputStream in) throws IOException {
        var path = path(name).orElseThrow(() -> refused(name, "has no name"));
        take(path, Sort.FILE);
        bytes += Math.max(0, size);
        if (size < 0 || bytes > MOST_BYTES) {
            throw ApiException.invalid(
                    "the archive's files have more than %d MiB".formatted(MOST_BYTES >> 20));
        }
        var entry = new TarArchiveEntry(path);
        entry.setSize(size);
        put(entry, mode);
        var digest = sha256();
        var buffer = new byte[BUFFER_BYTES];
        long left = size;
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
            left -= n;
            if (left < 0) {
                throw refused(name, "is longer than it says");
            }
            digest.update(buffer, 0, n);
            out.write(buffer, 0, n);
        }
        out.closeArchiveEntry();
        contents.put(
                path,
                Integer.toOctalString(mode & PERMISSIONS)
                        + ":"
                        + HexFormat.of().formatHex(digest.digest()));
    }

    private void symbolicLink(String name, String target) throws IOException {
        var path = path(name).orElseThrow(() -> refused(name, "has no name"));
        if (target.startsWith("/") || leadsOut(path, target)) {
            throw refused(name, "is a link that leads out of the archive");
        }
        take(path, Sort.LINK);
        var entry = new TarArchiveEntry(path, TarConstants.LF_SYMLINK);
        entry.setLinkName(target);
        put(entry, PERMISSIONS);
        out.closeArchiveEntry();
        contents.put(path, "->" + target);
    }

    private void hardLink(String name, String target) throws IOException {
        var path = path(name).orElseThrow(() -> refused(name, "has no name"));
        var known = path(target).orElseThrow(() -> refused(name, "links to nothing"));
        if (seen.get(known) != Sort.FILE) {
            throw refused(name, "is a link to something that is no earlier file");
        }
        take(path, Sort.FILE);
        var entry = new TarArchiveEntry(path, TarConstants.LF_LINK);
        entry.setLinkName(known);
        put(entry, DEFAULT_FILE);
        out.closeArchiveEntry();
        contents.put(path, contents.getOrDefault(known, ""));
    }

    private void put(TarArchiveEntry entry, int mode) throws IOException {
        entry.setMode(mode & PERMISSIONS);
        entry.setIds(0, 0);
        entry.setModTime(0);
        out.putArchiveEntry(entry);
    }

    /** A path in normal form; empty for the top itself. */
    private static Optional<String> path(String name) {
        if (name.length() > LONGEST_PATH || name.indexOf('\0') >= 0) {
            throw refused(name.substring(0, Math.min(64, name.length())), "has a bad name");
        }
        if (name.startsWith("/")) {
            throw refused(name, "is absolute, which leads out of the archive");
        }
        var parts = new ArrayDeque<String>();
        for (var part : name.split("/", -1)) {
            if (part.equals("..")) {
                throw refused(name, "leads out of the archive");
            }
            if (!part.isEmpty() && !part.equals(".")) {
                parts.add(part);
            }
        }
        return parts.isEmpty() ? Optional.empty() : Optional.of(String.join("/", parts));
    }

    private static boolean leadsOut(String path, String target) {
        int depth = path.split("/", -1).length - 1;
        for (var part : target.split("/", -1)) {
            if (part.equals("..")) {
                depth--;
            } else if (!part.isEmpty() && !part.equals(".")) {
                depth++;
            }
            if (depth < 0) {
                return true;
            }
        }
        return false;
    }

    /** Notes an entry; what lies on its way must be a folder. */
    private void take(String path, Sort sort) {
        if (seen.size() >= MOST_ENTRIES) {
            throw ApiException.invalid("the archive has more than " + MOST_ENTRIES + " entries");
        }
        for (int slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
            var parent = seen.putIfAbsent(path.substring(0, slash), Sort.FOLDER);
            if (parent != null && parent != Sort.FOLDER) {
                throw refused(path, "lies behind a link or a file");
            }
        }
        var before = seen.put(path, sort);
        if (before != null && !(before == Sort.FOLDER && sort == Sort.FOLDER)) {
            throw refused(path, "is there twice");
        }
    }

    private static ApiException refused(String name, String why) {
        return ApiException.invalid("the archive's entry " + name + " " + why);
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    @Override
    public void close() throws IOException {
        out.close();
    }
}

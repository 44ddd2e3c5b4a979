package dev.wrenn.control.build;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.control.http.ApiException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What may be sent to copy from, and what becomes of it. */
class ArchiveTest {
    private interface Filling {
        void into(TarArchiveOutputStream tar) throws IOException;
    }

    private static byte[] tar(Filling filling) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var tar = new TarArchiveOutputStream(bytes)) {
            tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
            filling.into(tar);
        }
        return bytes.toByteArray();
    }

    private static void file(TarArchiveOutputStream tar, String name, String text)
            throws IOException {
        var bytes = text.getBytes(StandardCharsets.UTF_8);
        var entry = new TarArchiveEntry(name, true);
        entry.setSize(bytes.length);
        entry.setMode(04755);
        entry.setIds(1000, 1000);
        tar.putArchiveEntry(entry);
        tar.write(bytes);
        tar.closeArchiveEntry();
    }

    private static void link(TarArchiveOutputStream tar, String name, byte sort, String target)
            throws IOException {
        var entry = new TarArchiveEntry(name, sort, true);
        entry.setLinkName(target);
        tar.putArchiveEntry(entry);
        tar.closeArchiveEntry();
    }

    private static Archive read(byte[] bytes) {
        return Archive.read(new ByteArrayInputStream(bytes));
    }

    private static void assertRefused(byte[] bytes, String... words) {
        assertThatThrownBy(() -> read(bytes).close())
                .isInstanceOf(ApiException.class)
                .hasMessageContainingAll(words);
    }

    private static Map<String, TarArchiveEntry> entries(Archive archive) throws IOException {
        var entries = new TreeMap<String, TarArchiveEntry>();
        try (var tar =
                new TarArchiveInputStream(
                        new GZIPInputStream(Files.newInputStream(archive.file())))) {
            for (var e = tar.getNextEntry(); e != null; e = tar.getNextEntry()) {
                entries.put(e.getName(), e);
            }
        }
        return entries;
    }

    private static TarArchiveEntry entry(Map<String, TarArchiveEntry> entries, String name) {
        return java.util.Objects.requireNonNull(entries.get(name), name);
    }

    @Test
    void files_folders_and_inner_links_are_kept_and_owners_and_special_rights_are_not()
            throws IOException {
        var sent =
                tar(tar -> {
                    file(tar, "./app/main.py", "print(1)\n");
                    link(tar, "app/start", TarConstants.LF_SYMLINK, "main.py");
                    link(tar, "copy.py", TarConstants.LF_LINK, "app/main.py");
                });

        try (var archive = read(sent)) {
            var entries = entries(archive);
            assertThat(entries.keySet()).containsExactly("app/main.py", "app/start", "copy.py");
            assertThat(entry(entries, "app/main.py").getMode() & 07777).isEqualTo(0755);
            assertThat(entry(entries, "app/main.py").getLongUserId()).isZero();
            assertThat(entry(entries, "app/start").getLinkName()).isEqualTo("main.py");
            assertThat(entry(entries, "copy.py").isLink()).isTrue();
            assertThat(archive.contents().get("copy.py"))
                    .isEqualTo(archive.contents().get("app/main.py"))
                    .startsWith("755:");
        }
    }

    @Test
    void gzip_and_zip_are_known_by_their_first_bytes() throws IOException {
        var plain = tar(tar -> file(tar, "a", "text"));
        var zipped = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(zipped)) {
            gzip.write(plain);
        }
        var zip = new ByteArrayOutputStream();
        try (var out = new ZipArchiveOutputStream(zip)) {
            var entry = new ZipArchiveEntry("a");
            entry.setUnixMode(0100755);
            out.putArchiveEntry(entry);
            out.write("text".getBytes(StandardCharsets.UTF_8));
            out.closeArchiveEntry();
        }

        try (var first = read(plain);
                var second = read(zipped.toByteArray());
                var third = read(zip.toByteArray())) {
            assertThat(second.contents()).isEqualTo(first.contents());
            assertThat(third.contents()).isEqualTo(first.contents());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/etc/passwd", "../x", "a/../../x", "a/..", "..", "//x"})
    void a_path_that_leads_out_is_refused(String name) throws IOException {
        assertRefused(tar(tar -> file(tar, name, "x")), name);

        var zip = new ByteArrayOutputStream();
        try (var out = new ZipArchiveOutputStream(zip)) {
            out.putArchiveEntry(new ZipArchiveEntry(name));
            out.closeArchiveEntry();
        }
        assertRefused(zip.toByteArray(), name);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/etc", "../..", "../../..", "a/../../../x", "./../../x"})
    void a_link_that_leads_out_is_refused(String target) throws IOException {
        assertRefused(tar(tar -> link(tar, "d/link", TarConstants.LF_SYMLINK, target)), "link");
        assertRefused(tar(tar -> link(tar, "link", TarConstants.LF_LINK, target)), "out");
    }

    @Test
    void nothing_lies_behind_a_link() throws IOException {
        assertRefused(
                tar(tar -> {
                    file(tar, "real/x", "x");
                    link(tar, "alias", TarConstants.LF_SYMLINK, "real");
                    file(tar, "alias/y", "y");
                }),
                "alias/y",
                "behind a link");
    }

    @Test
    void a_name_is_there_once() throws IOException {
        assertRefused(
                tar(tar -> {
                    file(tar, "x", "1");
                    file(tar, "./x", "2");
                }),
                "twice");
    }

    @ParameterizedTest
    @ValueSource(bytes = {TarConstants.LF_CHR, TarConstants.LF_BLK, TarConstants.LF_FIFO})
    void devices_and_pipes_are_refused(byte sort) throws IOException {
        assertRefused(tar(tar -> link(tar, "dev", sort, "")), "device");
    }

    @Test
    void a_bomb_is_refused_before_it_goes_off() throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var tar = new TarArchiveOutputStream(new GZIPOutputStream(bytes))) {
            tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
            var piece = new byte[1 << 20];
            var entry = new TarArchiveEntry("zeros");
            entry.setSize(1100L << 20);
            tar.putArchiveEntry(entry);
            for (int i = 0; i < 1100; i++) {
                tar.write(piece);
            }
            tar.closeArchiveEntry();
        }

        assertThat(bytes.size()).isLessThan(2 << 20);
        assertRefused(bytes.toByteArray(), "MiB");
    }

    @Test
    void neither_rubbish_nor_half_an_archive_is_taken() throws IOException {
        assertRefused(new byte[0], "tar");
        assertRefused("#!/bin/sh\nreboot\n".getBytes(StandardCharsets.UTF_8), "tar");
        var whole = tar(tar -> file(tar, "a", "x".repeat(5_000)));
        assertRefused(java.util.Arrays.copyOf(whole, 2_000), "damaged");
        assertRefused(java.util.Arrays.copyOf(new byte[] {'P', 'K', 3, 4}, 600), "damaged");
    }
}

/** What a data folder tells about the server that uses it. */
@NullMarked
package dev.wrenn.cli.folder;

import org.jspecify.annotations.NullMarked;

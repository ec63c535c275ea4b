/* segment_file.h - segments as files: names, making, retiring, opening.
 *
 *     segment-0000000042   in the log, or the next one, made ready
 *     spare-0000000017     retired; may be used again under a new number
 *     segment.new          being made; of no worth after a crash
 *
 * Whatever is named segment-N is whole: of full size, with blocks allocated
 * and written, its header synced before it got the name. So appending never
 * allocates, and is never refused for space.
 * Thread: any; they wait for the disk, so never the loop. */
#ifndef POSTOFFICE_RAFT_SEGMENT_FILE_H
#define POSTOFFICE_RAFT_SEGMENT_FILE_H

#include "raft/segment.h"

enum { SEGMENT_NAME_SIZE = 32 };

enum segment_name_kind { NAME_OTHER, NAME_SEGMENT, NAME_SPARE, NAME_UNMADE };

void segment_name(uint64_t number, char name[SEGMENT_NAME_SIZE]);
enum segment_name_kind segment_name_parse(const char *name,
                                          uint64_t *ret_number);

/* Makes header->number from the spare of that number, or anew when `spare` is
 * 0 or of another size. Sets header->seed and ->chain. Durable with its name
 * when it returns 0. Errors: ERR_NO_SPACE (nothing is left behind), ERR_IO. */
int segment_file_make(int directory, struct segment_header *header,
                      uint64_t spare, struct error *error);

/* Opens for appending: past the page cache and synced by each write where the
 * file system allows it (*ret_direct), else plain. */
int segment_file_open(int directory, uint64_t number, int *ret_file,
                      bool *ret_direct, struct error *error);

/* Takes the segment out of the log; its file becomes a spare, or is removed
 * when keep is false. */
int segment_file_retire(int directory, uint64_t number, bool keep,
                        struct error *error);
/* Errors are of no consequence: it is tried again at the next start. */
void segment_file_remove_spare(int directory, uint64_t number);
void segment_file_remove_unmade(int directory);

#endif

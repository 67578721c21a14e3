import { z } from "zod";
import { agentRoleSchema } from "./agent.ts";
import { CHANNEL_GRANTS_MAX, CHANNEL_MEMBERS_MAX, DESCRIPTION_MAX_BYTES } from "./limits.ts";
import { receiveMessagesSchema } from "./message.ts";
import { channelNameSchema, idSchema, instantSchema, nextCursorSchema, pageQueryShape, textSchema } from "./values.ts";

/** The vocabulary of channels: what makes one, who belongs to it, and who may do what with it. */

/** broadcast: each post is copied to every member · work_queue: one mailbox whose members compete. */
export const CHANNEL_KINDS = ["broadcast", "work_queue"] as const;
export const channelKindSchema = z.enum(CHANNEL_KINDS);
export type ChannelKind = z.infer<typeof channelKindSchema>;

/**
 * post: send to it · read: see it and its members, receive from a work queue (a member may, too) · manage: change its
 * members and grants, delete it.
 */
export const CHANNEL_RIGHTS = ["post", "read", "manage"] as const;
export type ChannelRight = (typeof CHANNEL_RIGHTS)[number];

/** Who may write to whom. `restricted`: agents may write to each other only if they are members of one channel. */
export const CHANNEL_POLICIES = ["open", "restricted"] as const;
export type ChannelPolicyName = (typeof CHANNEL_POLICIES)[number];

const rightsShape = {
  post: z.boolean().default(false),
  read: z.boolean().default(false),
  manage: z.boolean().default(false),
};

/** `PUT /channels/{name}/grants`: what one agent, or every agent of a role, may do; nothing at all takes the grant away. */
export const putChannelGrantSchema = z
  .strictObject({ agentId: idSchema.optional(), role: agentRoleSchema.optional(), ...rightsShape })
  .refine((grant) => (grant.agentId === undefined) !== (grant.role === undefined), {
    error: "give exactly one of agentId and role",
  });
export type PutChannelGrantInput = z.input<typeof putChannelGrantSchema>;
export type PutChannelGrant = z.output<typeof putChannelGrantSchema>;

/** A grant as it reads. */
export const channelGrantSchema = z.object({
  agentId: idSchema.optional(),
  role: agentRoleSchema.optional(),
  post: z.boolean(),
  read: z.boolean(),
  manage: z.boolean(),
});
export type ChannelGrant = z.infer<typeof channelGrantSchema>;

/** `POST /channels`. Members are a set; of grants there is one for each agent or role. */
export const createChannelSchema = z
  .strictObject({
    name: channelNameSchema,
    kind: channelKindSchema,
    description: textSchema(DESCRIPTION_MAX_BYTES).optional(),
    members: z.array(idSchema).max(CHANNEL_MEMBERS_MAX).default([]),
    grants: z.array(putChannelGrantSchema).max(CHANNEL_GRANTS_MAX).default([]),
  })
  .superRefine(({ grants }, context) => {
    const seen = new Set<string>();
    for (const [index, { agentId, role }] of grants.entries()) {
      const grantee = agentId ?? `@${role}`;
      if (seen.has(grantee)) {
        context.addIssue({
          code: "custom",
          path: ["grants", index],
          message: "names the same agent or role as another grant",
        });
      }
      seen.add(grantee);
    }
  });
export type CreateChannelInput = z.input<typeof createChannelSchema>;
export type CreateChannel = z.output<typeof createChannelSchema>;

/** A channel as the list shows it. */
export const channelSchema = z.object({
  name: channelNameSchema,
  kind: channelKindSchema,
  description: z.string().optional(),
  /** The agent that made it; `*` where nobody was named. */
  createdBy: z.string(),
  createdAt: instantSchema,
  /** Members, deregistered ones included. */
  memberCount: z.int(),
});
export type Channel = z.infer<typeof channelSchema>;

/** A channel with its grants: those of roles first, then those of agents by id. */
export const channelDetailsSchema = channelSchema.extend({ grants: z.array(channelGrantSchema) });
export type ChannelDetails = z.infer<typeof channelDetailsSchema>;

/** `GET /channels` */
export const listChannelsQuerySchema = z.strictObject({ kind: channelKindSchema.optional(), ...pageQueryShape });
export type ListChannelsQuery = z.output<typeof listChannelsQuerySchema>;
export const listChannelsReplySchema = z.object({ channels: z.array(channelSchema), nextCursor: nextCursorSchema });

export const channelMemberSchema = z.object({ agentId: idSchema, addedAt: instantSchema });
export type ChannelMember = z.infer<typeof channelMemberSchema>;
/** `GET /channels/{name}/members`, by id. */
export const listChannelMembersQuerySchema = z.strictObject({ ...pageQueryShape });
export const listChannelMembersReplySchema = z.object({
  members: z.array(channelMemberSchema),
  nextCursor: nextCursorSchema,
});

/** What a deletion answers. */
export const deleteChannelReplySchema = z.object({ name: channelNameSchema });
/** What taking a member away answers, whether it was one or not. */
export const removeChannelMemberReplySchema = z.object({ name: channelNameSchema, agentId: idSchema });

/** `POST /channels/{name}/messages/receive`: as an agent's own receive, and who it is that receives. */
export const receiveFromChannelSchema = receiveMessagesSchema.extend({ agentId: idSchema });
export type ReceiveFromChannelInput = z.input<typeof receiveFromChannelSchema>;

// What each size of database can do, and which combinations Azure takes: the table that main.bicep is checked against before
// anything is made. Sources, read in November 2026: resource limits of single databases in the DTU and the vCore model,
// serverless auto-pause, high availability of Hyperscale (learn.microsoft.com/azure/azure-sql/database).

import { databaseType, scaleType, serviceObjectiveType } from 'types.bicep'

func standard(name string, workers int, maxSizeGibibytes int) serviceObjectiveType => {
  sku: { name: name, tier: 'Standard' }
  workers: workers
  maxSizeGibibytes: maxSizeGibibytes
  zoneRedundancy: 'never'
  serverless: false
  autoPause: false
  minimumCapacities: []
}

func premium(name string, workers int, maxSizeGibibytes int) serviceObjectiveType => {
  sku: { name: name, tier: 'Premium' }
  workers: workers
  maxSizeGibibytes: maxSizeGibibytes
  zoneRedundancy: 'any time'
  serverless: false
  autoPause: false
  minimumCapacities: []
}

// 100 workers for each vCore.
func provisioned(prefix string, tier string, vCores int, maxSizeGibibytes int) serviceObjectiveType => {
  sku: { name: '${prefix}_Gen5', tier: tier, family: 'Gen5', capacity: vCores }
  workers: 100 * vCores
  maxSizeGibibytes: maxSizeGibibytes
  zoneRedundancy: tier == 'Hyperscale' ? 'at creation' : 'any time'
  serverless: false
  autoPause: false
  minimumCapacities: []
}

// 75 workers for each vCore; only General Purpose pauses.
func serverless(prefix string, tier string, vCores int, maxSizeGibibytes int, minimumCapacities string[]) serviceObjectiveType => {
  sku: { name: '${prefix}_Gen5', tier: tier, family: 'Gen5', capacity: vCores }
  workers: 75 * vCores
  maxSizeGibibytes: maxSizeGibibytes
  zoneRedundancy: tier == 'Hyperscale' ? 'at creation' : 'any time'
  serverless: true
  autoPause: tier == 'GeneralPurpose'
  minimumCapacities: minimumCapacities
}

@export()
@description('Every service objective that the template takes. S0 and S1 are on slow disks and for trying things only.')
var serviceObjectives = {
  S0: standard('S0', 60, 250)
  S1: standard('S1', 90, 250)
  S2: standard('S2', 120, 250)
  S3: standard('S3', 200, 1024)
  S4: standard('S4', 400, 1024)
  S6: standard('S6', 800, 1024)
  S7: standard('S7', 1600, 1024)
  S9: standard('S9', 3200, 1024)
  S12: standard('S12', 6000, 1024)
  P1: premium('P1', 200, 1024)
  P2: premium('P2', 400, 1024)
  P4: premium('P4', 800, 1024)
  P6: premium('P6', 1600, 1024)
  P11: premium('P11', 2800, 4096)
  P15: premium('P15', 6400, 4096)
  GP_Gen5_2: provisioned('GP', 'GeneralPurpose', 2, 1024)
  GP_Gen5_4: provisioned('GP', 'GeneralPurpose', 4, 1024)
  GP_Gen5_8: provisioned('GP', 'GeneralPurpose', 8, 2048)
  GP_Gen5_16: provisioned('GP', 'GeneralPurpose', 16, 3072)
  GP_Gen5_32: provisioned('GP', 'GeneralPurpose', 32, 4096)
  BC_Gen5_2: provisioned('BC', 'BusinessCritical', 2, 1024)
  BC_Gen5_4: provisioned('BC', 'BusinessCritical', 4, 1024)
  BC_Gen5_8: provisioned('BC', 'BusinessCritical', 8, 2048)
  BC_Gen5_16: provisioned('BC', 'BusinessCritical', 16, 3072)
  BC_Gen5_32: provisioned('BC', 'BusinessCritical', 32, 4096)
  HS_Gen5_2: provisioned('HS', 'Hyperscale', 2, 131072)
  HS_Gen5_4: provisioned('HS', 'Hyperscale', 4, 131072)
  HS_Gen5_8: provisioned('HS', 'Hyperscale', 8, 131072)
  HS_Gen5_16: provisioned('HS', 'Hyperscale', 16, 131072)
  HS_Gen5_32: provisioned('HS', 'Hyperscale', 32, 131072)
  GP_S_Gen5_1: serverless('GP_S', 'GeneralPurpose', 1, 512, ['0.5', '0.75', '1'])
  GP_S_Gen5_2: serverless('GP_S', 'GeneralPurpose', 2, 1024, ['0.5', '0.75', '1', '1.5', '2'])
  GP_S_Gen5_4: serverless('GP_S', 'GeneralPurpose', 4, 1024, ['0.5', '0.75', '1', '2', '4'])
  GP_S_Gen5_8: serverless('GP_S', 'GeneralPurpose', 8, 2048, ['1', '2', '4', '8'])
  GP_S_Gen5_16: serverless('GP_S', 'GeneralPurpose', 16, 3072, ['2', '4', '8', '16'])
  HS_S_Gen5_2: serverless('HS_S', 'Hyperscale', 2, 131072, ['0.5', '1', '2'])
  HS_S_Gen5_4: serverless('HS_S', 'Hyperscale', 4, 131072, ['0.5', '1', '2', '4'])
  HS_S_Gen5_8: serverless('HS_S', 'Hyperscale', 8, 131072, ['1', '2', '4', '8'])
}

func problemIf(wrong bool, problem string) string[] => wrong ? [problem] : []

@description('What Azure would refuse in a database, or would take and then not do.')
func databaseProblems(
  database databaseType,
  objective serviceObjectiveType,
  sweepSchedule string,
  availabilityTest bool
) string[] =>
  flatten([
    problemIf(
      (database.?zoneRedundant ?? false) && objective.zoneRedundancy == 'never',
      'database.zoneRedundant: S tiers have no zone redundancy; take P1, GP_Gen5_2 or larger.'
    )
    problemIf(
      (database.?zoneRedundant ?? false) && objective.zoneRedundancy == 'at creation' && !(database.?hyperscaleZoneRedundantFromCreation ?? false),
      'database.zoneRedundant: Hyperscale takes it only at creation; say hyperscaleZoneRedundantFromCreation when this database is made with it, or make another.'
    )
    problemIf(
      (database.?zoneRedundant ?? false) && objective.sku.tier == 'Hyperscale' && !contains(
        ['Zone', 'GeoZone'],
        database.backupRedundancy
      ),
      'database.backupRedundancy: a zone redundant Hyperscale database needs Zone or GeoZone.'
    )
    problemIf(
      (database.?zoneRedundant ?? false) && objective.sku.tier == 'Hyperscale' && (database.?highAvailabilityReplicas ?? 0) < 1,
      'database.highAvailabilityReplicas: a zone redundant Hyperscale database needs at least 1.'
    )
    problemIf(
      (database.?highAvailabilityReplicas ?? 0) > 0 && objective.sku.tier != 'Hyperscale',
      'database.highAvailabilityReplicas: only for Hyperscale; the other tiers have theirs built in.'
    )
    problemIf(
      (database.?maxSizeGibibytes ?? 250) > objective.maxSizeGibibytes,
      'database.maxSizeGibibytes: this size holds at most ${objective.maxSizeGibibytes} GiB.'
    )
    problemIf(
      !objective.serverless && (database.?minimumCapacity != null || database.?autoPauseDelayMinutes != null),
      'database.minimumCapacity and autoPauseDelayMinutes: only for serverless sizes (GP_S_, HS_S_).'
    )
    problemIf(
      database.?minimumCapacity != null && objective.serverless && !contains(
        objective.minimumCapacities,
        database.?minimumCapacity ?? ''
      ),
      'database.minimumCapacity: this size takes ${join(objective.minimumCapacities, ', ')}.'
    )
    problemIf(
      pauses(database) && objective.serverless && !objective.autoPause,
      'database.autoPauseDelayMinutes: Hyperscale does not pause; leave it out or say -1.'
    )
    problemIf(
      pauses(database) && (database.?autoPauseDelayMinutes ?? -1) < 15,
      'database.autoPauseDelayMinutes: at least 15, or -1 for never.'
    )
    problemIf(
      pauses(database) && database.?longTermRetention != null,
      'database.autoPauseDelayMinutes: long-term retention keeps the database from pausing; leave one of them out.'
    )
    problemIf(
      pauses(database) && !leavesTimeToPause(sweepSchedule),
      'database.autoPauseDelayMinutes: a sweep of ${sweepSchedule} keeps the database awake; make AGENT_SWEEP_SCHEDULE fixed hours such as "0 0 */6 * * *" (work is then noticed late), or say -1.'
    )
    problemIf(
      pauses(database) && availabilityTest,
      'database.autoPauseDelayMinutes: alerting.availabilityTest asks the database every five minutes and keeps it awake; leave one of them out.'
    )
  ])

func pauses(database databaseType) bool => (database.?autoPauseDelayMinutes ?? -1) != -1

// True for an NCRONTAB schedule of one second, one minute and chosen hours: at most once in two hours.
func leavesTimeToPause(schedule string) bool =>
  contains(range(0, 60), toNumber(split(schedule, ' ')[0])) && contains(range(0, 60), toNumber(split(schedule, ' ')[1])) && !contains(
    ['*', '*/1'],
    split(schedule, ' ')[2]
  )

// The number that a text is, or -1 when it is no plain number of up to two digits.
func toNumber(text string) int => contains(map(range(0, 60), number => string(number)), text) ? int(text) : -1

@export()
@description('The processes that may have a pool of connections at once: those of HTTP, and those of each timer, which scales by itself.')
func processCount(scale scaleType) int =>
  scale.maximumInstanceCount + max(scale.alwaysReady.sweep, scale.zoneRedundant ? 2 : 1) + max(
    scale.alwaysReady.maintenance,
    scale.zoneRedundant ? 2 : 1
  )

@export()
@description('Connections for each process, so that all together stay below nine tenths of the workers: the rest is for maintenance, a deployment that overlaps, and people. More than 20 bring nothing, because calls of a verb share a batch.')
func poolSize(objective serviceObjectiveType, scale scaleType) int =>
  min(20, objective.workers * 9 / 10 / processCount(scale))

@description('What is wrong with the scale of the app, seen together with the database.')
func scaleProblems(scale scaleType, objective serviceObjectiveType) string[] =>
  flatten([
    problemIf(
      poolSize(objective, scale) < 2,
      'scale.maximumInstanceCount: ${processCount(scale)} processes share ${objective.workers} workers of the database, which leaves less than 2 connections each; take a larger database.serviceObjective or fewer instances.'
    )
    problemIf(
      scale.alwaysReady.http > scale.maximumInstanceCount,
      'scale.alwaysReady.http: more than maximumInstanceCount.'
    )
    problemIf(
      scale.zoneRedundant && min([scale.alwaysReady.http, scale.alwaysReady.sweep, scale.alwaysReady.maintenance]) < 2,
      'scale.alwaysReady: zone redundancy has at least 2 of each, and bills them.'
    )
  ])

@description('What is wrong with who can reach what.')
func networkProblems(privateNetworking bool, publicApi bool, developerAddress string) string[] =>
  flatten([
    problemIf(
      privateNetworking && !empty(developerAddress),
      'developerAddress: with private networking no address is let in from outside.'
    )
    problemIf(!privateNetworking && !publicApi, 'publicApi: a private address of the app needs privateNetworking.')
  ])

@export()
@description('All that is wrong with an environment, each in a sentence that begins with the parameter. Empty when all is well.')
func environmentProblems(
  database databaseType,
  objective serviceObjectiveType,
  scale scaleType,
  sweepSchedule string,
  availabilityTest bool,
  privateNetworking bool,
  publicApi bool,
  developerAddress string
) string[] =>
  flatten([
    databaseProblems(database, objective, sweepSchedule, availabilityTest && publicApi)
    scaleProblems(scale, objective)
    networkProblems(privateNetworking, publicApi, developerAddress)
  ])

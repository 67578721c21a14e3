// The vocabulary of the parameters. Units are in the names; what an absent property means stands beside it.

@export()
@description('The Entra group that administers the SQL server. Its members are whoever deploys and the migrator identity; nobody else, and never the app.')
type sqlAdministratorGroupType = {
  @description('The display name of the group.')
  @minLength(1)
  name: string

  @description('The object id of the group in Entra ID.')
  @minLength(36)
  @maxLength(36)
  objectId: string
}

@export()
@description('How often a full backup is kept for longer than the point-in-time window, as ISO 8601 durations such as P4W, P12M, P5Y.')
type longTermRetentionType = {
  @description('How long the backup of each week is kept.')
  weekly: string?

  @description('How long the first backup of each month is kept.')
  monthly: string?

  @description('How long one backup of each year is kept.')
  yearly: string?

  @description('The week whose backup is the one of the year. 1 when left out.')
  @minValue(1)
  @maxValue(52)
  weekOfYear: int?
}

@export()
@description('The database: its size, and how it survives the loss of a disk, a building or a region. Combinations that Azure refuses fail the template before anything is made (service-objectives.bicep).')
type databaseType = {
  @description('The service objective, one of those in service-objectives.bicep: S2, P1, GP_Gen5_2, GP_S_Gen5_2 (serverless), BC_Gen5_2, HS_Gen5_2 (Hyperscale) …')
  serviceObjective: string

  @description('The most that the data may take, in GiB. 250 when left out.')
  @minValue(1)
  maxSizeGibibytes: int?

  @description('Replicas in several availability zones. Not for S tiers; on Hyperscale only from its creation on. False when left out.')
  zoneRedundant: bool?

  @description('That the Hyperscale database has been, or is now being, created as zone redundant: Azure cannot change it afterwards, and the template cannot see it.')
  hyperscaleZoneRedundantFromCreation: bool?

  @description('Where the backups are: in one building, three zones, or a second region as well.')
  backupRedundancy: 'Local' | 'Zone' | 'Geo' | 'GeoZone'

  @description('Days back to which any moment can be restored. 7 when left out.')
  @minValue(1)
  @maxValue(35)
  shortTermRetentionDays: int?

  @description('Backups kept for longer. None when left out. Keeps a serverless database from pausing.')
  longTermRetention: longTermRetentionType?

  @description('Hyperscale only: replicas that are ready to take over. 0 when left out.')
  @minValue(0)
  @maxValue(4)
  highAvailabilityReplicas: int?

  @description('Serverless only: the least vCores that are kept, as text because Bicep has no fractions ("0.5"). The least that the size allows when left out.')
  minimumCapacity: string?

  @description('Serverless only: minutes of silence after which the database pauses; -1, the default, for never. The sweep alone keeps it awake.')
  @minValue(-1)
  @maxValue(10080)
  autoPauseDelayMinutes: int?
}

@export()
@description('How many instances run the app, how large they are, and how much each takes on.')
type scaleType = {
  @description('Memory of an instance; 512 has a quarter of a core, 2048 one, 4096 two.')
  instanceMemoryMegabytes: 512 | 2048 | 4096

  @description('The most instances that serve HTTP. Older regions take no less than 40.')
  @minValue(1)
  @maxValue(1000)
  maximumInstanceCount: int

  @description('Requests that one instance serves at once; more make another instance. A waiting long poll counts as one.')
  @minValue(1)
  @maxValue(1000)
  httpPerInstanceConcurrency: int

  @description('Instances that are always there, for HTTP and for each timer: each of the three scales by itself. Zone redundancy takes at least 2 of each.')
  alwaysReady: {
    @description('For all HTTP routes together.')
    @minValue(0)
    @maxValue(1000)
    http: int

    @description('For the timer sweep.')
    @minValue(0)
    @maxValue(10)
    sweep: int

    @description('For the timer maintenance.')
    @minValue(0)
    @maxValue(10)
    maintenance: int
  }

  @description('Instances in several availability zones; storage is then zone redundant, too.')
  zoneRedundant: bool
}

@export()
@description('Who is told, and from which figure on.')
type alertingType = {
  @description('Addresses that get a mail. With none, alerts show in the portal only.')
  emailAddresses: string[]

  @description('Web hooks (a chat, a pager) by their name. They carry no secret of their own: whoever needs one protects it with Entra ID.')
  webhooks: {
    @description('A name, as the portal shows it.')
    name: string

    @description('The https address that is called with the common alert schema.')
    uri: string
  }[]?

  @description('Whether /api/health is asked from several regions every five minutes. Only for an app with a public address; keeps a serverless database awake.')
  availabilityTest: bool

  @description('Seconds that the oldest deliverable message may wait.')
  @minValue(1)
  oldestMessageSeconds: int?

  @description('New dead letters within 15 minutes that are put up with.')
  @minValue(0)
  newDeadLetters: int?

  @description('Share of tasks that may fail within 15 minutes, in per cent, once at least 20 have ended.')
  @minValue(0)
  @maxValue(100)
  taskFailurePercent: int?

  @description('Seconds without a sweep.')
  @minValue(30)
  sweepSilenceSeconds: int?

  @description('Seconds that telemetry takes at most until it can be queried; added to what an alert on silence waits for.')
  @minValue(0)
  telemetryDelaySeconds: int?

  @description('Average use of the database (DTU, or CPU for vCore sizes) over 15 minutes, in per cent.')
  @minValue(1)
  @maxValue(100)
  databasePercent: int?

  @description('Failed connections to the database within 5 minutes that are put up with.')
  @minValue(0)
  failedConnections: int?

  @description('Answers 5xx within 5 minutes that are put up with.')
  @minValue(0)
  serverErrors: int?

  @description('Refused calls (403) of the key vault within 5 minutes that are put up with.')
  @minValue(0)
  keyVaultDenials: int?
}

@export()
@description('What a database is able to, by its service objective.')
type serviceObjectiveType = {
  @description('The sku as the resource provider takes it.')
  sku: {
    @description('Name of the sku.')
    name: string

    @description('Its tier.')
    tier: string

    @description('Hardware generation, for vCore sizes.')
    family: string?

    @description('vCores, for vCore sizes.')
    capacity: int?
  }

  @description('Concurrent workers: requests that the database works on at once.')
  workers: int

  @description('The most GiB that it may be given.')
  maxSizeGibibytes: int

  @description('Whether zone redundancy can be had.')
  zoneRedundancy: 'never' | 'any time' | 'at creation'

  @description('Whether it is serverless.')
  serverless: bool

  @description('Whether a serverless one can pause.')
  autoPause: bool

  @description('What a serverless one\'s minimumCapacity may be, the least first; empty for the others.')
  minimumCapacities: string[]
}

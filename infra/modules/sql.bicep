// The database, on a server that takes Entra ID only: no login with a password exists, not even for the administrator.

import { databaseType, serviceObjectiveType, sqlAdministratorGroupType } from '../types.bicep'

@description('Name of the server.')
param serverName string

@description('Name of the database.')
param databaseName string

@description('Where it is.')
param location string

@description('Tags of the resources.')
param tags { *: string }

@description('Whether the database can be deleted.')
@allowed(['None', 'CanNotDelete'])
param lock string

@description('The Entra group that administers the server.')
param administratorGroup sqlAdministratorGroupType

@description('The database.')
param database databaseType

@description('What its service objective is able to; checked against the database by resources.bicep.')
param objective serviceObjectiveType

@description('Whether it is reached by a private endpoint only.')
param privateNetworking bool

@description('Resource id of the app\'s subnet, which is let in when there is no private endpoint.')
param functionsSubnetResourceId string

@description('Address of a developer that is let in, too; empty for none.')
param developerAddress string

@description('Resource id of the workspace that gets audit and diagnostics.')
param workspaceResourceId string

var hyperscale = objective.sku.tier == 'Hyperscale'

resource server 'Microsoft.Sql/servers@2025-01-01' = {
  name: serverName
  location: location
  tags: tags
  properties: {
    version: '12.0'
    administrators: {
      administratorType: 'ActiveDirectory'
      azureADOnlyAuthentication: true
      principalType: 'Group'
      login: administratorGroup.name
      sid: administratorGroup.objectId
      tenantId: tenant().tenantId
    }
    minimalTlsVersion: '1.2'
    publicNetworkAccess: privateNetworking ? 'Disabled' : 'Enabled'
    restrictOutboundNetworkAccess: 'Enabled'
  }

  // Says it again as a resource of its own, so that a change by hand is put right by the next deployment.
  resource entraOnly 'azureADOnlyAuthentications' = {
    name: 'Default'
    properties: { azureADOnlyAuthentication: true }
  }

  // Who logged in, and who changed principals, rights or the schema. Not the batches: they carry what agents say.
  resource auditing 'auditingSettings' = {
    name: 'default'
    properties: {
      state: 'Enabled'
      isAzureMonitorTargetEnabled: true
      auditActionsAndGroups: [
        'SUCCESSFUL_DATABASE_AUTHENTICATION_GROUP'
        'FAILED_DATABASE_AUTHENTICATION_GROUP'
        'DATABASE_ROLE_MEMBER_CHANGE_GROUP'
        'DATABASE_PRINCIPAL_CHANGE_GROUP'
        'DATABASE_PERMISSION_CHANGE_GROUP'
        'SCHEMA_OBJECT_PERMISSION_CHANGE_GROUP'
        'SCHEMA_OBJECT_CHANGE_GROUP'
        'DATABASE_OBJECT_CHANGE_GROUP'
        'DATABASE_CHANGE_GROUP'
      ]
    }
    dependsOn: [masterDiagnostics]
  }

  resource functionsSubnetRule 'virtualNetworkRules' = if (!privateNetworking) {
    name: 'functions'
    properties: { virtualNetworkSubnetId: functionsSubnetResourceId }
  }

  resource developerRule 'firewallRules' = if (!privateNetworking && !empty(developerAddress)) {
    name: 'developer'
    properties: { startIpAddress: developerAddress, endIpAddress: developerAddress }
  }
}

// The server's audit is written through the diagnostic setting of its master database.
resource master 'Microsoft.Sql/servers/databases@2025-01-01' existing = {
  parent: server
  name: 'master'
}

#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource masterDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit-to-workspace'
  scope: master
  properties: {
    workspaceId: workspaceResourceId
    logs: [{ category: 'SQLSecurityAuditEvents', enabled: true }]
  }
}

resource sqlDatabase 'Microsoft.Sql/servers/databases@2025-01-01' = {
  parent: server
  name: databaseName
  location: location
  tags: tags
  sku: objective.sku
  properties: {
    // Hyperscale grows by itself.
    ...(hyperscale ? {} : { maxSizeBytes: (database.?maxSizeGibibytes ?? 250) * 1073741824 })
    zoneRedundant: database.?zoneRedundant ?? false
    requestedBackupStorageRedundancy: database.backupRedundancy
    ...(hyperscale ? { highAvailabilityReplicaCount: database.?highAvailabilityReplicas ?? 0 } : {})
    ...(objective.serverless
      ? {
          minCapacity: json(database.?minimumCapacity ?? objective.minimumCapacities[0])
          autoPauseDelay: database.?autoPauseDelayMinutes ?? -1
        }
      : {})
  }

  resource shortTermRetention 'backupShortTermRetentionPolicies' = {
    name: 'default'
    properties: {
      retentionDays: database.?shortTermRetentionDays ?? 7
      ...(hyperscale ? {} : { diffBackupIntervalInHours: 12 })
    }
  }

  resource longTermRetention 'backupLongTermRetentionPolicies' = {
    name: 'default'
    properties: {
      weeklyRetention: database.?longTermRetention.?weekly ?? 'PT0S'
      monthlyRetention: database.?longTermRetention.?monthly ?? 'PT0S'
      yearlyRetention: database.?longTermRetention.?yearly ?? 'PT0S'
      weekOfYear: database.?longTermRetention.?weekOfYear ?? 1
    }
    // Two changes of one database at once are refused.
    dependsOn: [shortTermRetention]
  }
}

#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource databaseDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: sqlDatabase
  properties: {
    workspaceId: workspaceResourceId
    logs: [
      { category: 'Errors', enabled: true }
      { category: 'Timeouts', enabled: true }
      { category: 'Blocks', enabled: true }
      { category: 'Deadlocks', enabled: true }
    ]
    metrics: [{ category: 'Basic', enabled: true }, { category: 'InstanceAndAppAdvanced', enabled: true }]
  }
}

resource databaseLock 'Microsoft.Authorization/locks@2020-05-01' = if (lock != 'None') {
  name: 'lock-${databaseName}'
  scope: sqlDatabase
  properties: { level: 'CanNotDelete', notes: 'Everything that the agents have said and done.' }
}

@description('Resource id of the server.')
output serverResourceId string = server.id

@description('Host name of the server: AZURE_SQL_SERVER.')
output serverHostName string = server.properties.fullyQualifiedDomainName

@description('Resource id of the database.')
output databaseResourceId string = sqlDatabase.id

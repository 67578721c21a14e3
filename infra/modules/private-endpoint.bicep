// A private endpoint of one resource, and its name in the private DNS zone.

@description('Name of the private endpoint.')
param name string

@description('Where it is.')
param location string

@description('Tags of the resource.')
param tags { *: string }

@description('Resource id of the subnet that it takes an address of.')
param subnetResourceId string

@description('Resource id of what it leads to.')
param targetResourceId string

@description('Which part of the target: sqlServer, vault, blob, queue, table, sites.')
param groupId string

@description('Name of the private DNS zone, which is in the same resource group.')
param zoneName string

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' existing = {
  name: zoneName
}

resource privateEndpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetResourceId }
    customNetworkInterfaceName: 'nic-${name}'
    privateLinkServiceConnections: [
      {
        name: groupId
        properties: { privateLinkServiceId: targetResourceId, groupIds: [groupId] }
      }
    ]
  }
}

resource zoneGroup 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = {
  parent: privateEndpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [{ name: groupId, properties: { privateDnsZoneId: zone.id } }]
  }
}

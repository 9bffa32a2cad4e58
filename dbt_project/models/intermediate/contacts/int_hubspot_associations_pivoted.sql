with

associations as (
    select * from {{ ref('stg_hubspot__associations') }}
),

-- The primary one counts; where HubSpot knows none, the one that was entered first.
ranked as (
    select
        *,
        row_number() over (
            partition by from_type, from_id, to_type
            order by is_primary desc, cast(to_id as bigint) asc
        ) as association_rank
    from associations
),

final as (
    select
        from_type as record_type,
        from_id as record_id,
        max(to_id) filter (where to_type = 'companies') as company_id,
        max(to_id) filter (where to_type = 'contacts') as contact_id,
        max(to_id) filter (where to_type = 'deals') as deal_id
    from ranked
    where association_rank = 1
    group by from_type, from_id
)

select * from final

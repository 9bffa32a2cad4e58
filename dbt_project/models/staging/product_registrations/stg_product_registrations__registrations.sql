with

registration_versions as (
    select * from {{ ref('stg_product_registrations__registration_versions') }}
),

final as (
    select * from registration_versions
    where is_current
)

select * from final

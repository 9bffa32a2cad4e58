with

organisations as (
    select * from {{ ref('int_organisations_stacked') }}
),

merged as (
    select
        'hubspot' as source,
        record_id,
        merged_into_record_id
    from {{ ref('int_hubspot_records_merged') }}
    where record_type = 'companies'
),

country_spellings as (
    select * from {{ ref('country_spellings') }}
),

acquisition_spellings as (
    select * from {{ ref('acquisition_spellings') }}
),

-- A merged record is gone at the vendor; its number stays, to lead to the record it became.
with_merged as (
    select
        organisations.*,
        coalesce(organisations.source, merged.source) as source_name,
        coalesce(organisations.record_id, merged.record_id) as id_in_source,
        merged.merged_into_record_id
    from organisations
    full outer join merged
        on organisations.source = merged.source and organisations.record_id = merged.record_id
),

-- HubSpot's own word is coarse (OFFLINE); the detail counts where it is a word we know.
final as (
    select
        with_merged.source_name as source,
        with_merged.id_in_source as record_id,
        with_merged.customer_number,
        with_merged.name,
        coalesce(with_merged.is_natural_person, false) as is_natural_person,
        with_merged.street,
        with_merged.postcode,
        with_merged.city,
        coalesce(
            country_spellings.country,
            case
                when length(with_merged.written_country) = 2 then upper(with_merged.written_country)
            end
        ) as country,
        with_merged.vat_id,
        nullif(
            regexp_extract(
                lower(coalesce(with_merged.domain, with_merged.website)),
                '^(https?://)?(www[.])?([^/:?#]+)', 3
            ), ''
        ) as domain,
        with_merged.website,
        with_merged.phone,
        with_merged.email,
        coalesce(
            details.acquisition, acquisition_spellings.acquisition, with_merged.written_acquisition
        ) as acquisition,
        with_merged.owner,
        with_merged.created_at,
        with_merged.updated_at,
        with_merged.merged_into_record_id
    from with_merged
    left join country_spellings
        on {{ normalised_text('with_merged.written_country') }} = country_spellings.spelling
    left join acquisition_spellings
        on {{ normalised_text('with_merged.written_acquisition') }} = acquisition_spellings.spelling
    left join acquisition_spellings as details
        on {{ normalised_text('with_merged.acquisition_detail') }} = details.spelling
)

select * from final
